"""Whatever happens to an event, in whatever order: two stores that share no statement say the same of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.integration.workers.stores.bench import BURIED, DONE_WELL, Bench
from tests.integration.workers.stores.benches import redis_bench, sql_bench
from tests.redis_server import RedisServer
from workers.stores.store import InboxStore
from workers.verdicts import Busy, Claim, Exhausted, Fenced, Verdict

STEPS = ("complete", "bury", "postpone", "exhaust", "require", "intend", "withdraw")
#: Done twice by the same holder these count as made where an answer may be lost, and are refused elsewhere.
ONCE = frozenset({"complete", "bury", "postpone"})


def said(verdict: Verdict) -> object:
    """A verdict without what differs between stores: times, and who asked."""
    match verdict:
        case Claim(attempt=attempt, fence=fence):
            return ("claim", attempt, fence)
        case Exhausted(held, error):
            return ("exhausted", held.attempt, held.fence, error)
        case Busy():
            return "busy"
    return verdict


def done(store: InboxStore, held: Claim, step: str) -> object:
    """What a holder gets for a step."""
    steps: dict[str, Callable[[], object]] = {
        "complete": lambda: store.complete(held, DONE_WELL),
        "bury": lambda: store.complete(held, BURIED),
        "postpone": lambda: store.postpone(held, seconds=20, error="x"),
        "exhaust": lambda: store.exhaust(held, error="y"),
        "require": lambda: store.require_held(held),
        "intend": lambda: store.intend(held, "pay", "key"),
        "withdraw": lambda: store.withdraw(held, "pay"),
    }
    try:
        return steps[step]()
    except Fenced:
        return "fenced"


def test_two_stores_say_the_same(own_sqlite: str, redis_server: RedisServer) -> None:
    """SQLite by SQL and transactions, Redis by items and one script; claims, stale holders, replays and time."""
    with ExitStack() as stack:
        benches = (stack.enter_context(sql_bench(own_sqlite)), stack.enter_context(redis_bench(redis_server.url)))
        stores = tuple(bench.open() for bench in benches)

        class Event(RuleBasedStateMachine):
            """The life of one event in both."""

            def __init__(self) -> None:
                super().__init__()
                self.groups = tuple(Bench(bench.open, bench.pass_time) for bench in benches)
                self.held: list[tuple[Claim, ...]] = []
                self.made: set[tuple[int, str]] = set()

            @rule(generation=st.integers(0, 2), fingerprint=st.sampled_from("fffg"))
            def claim(self, generation: int, fingerprint: str) -> None:
                """Another delivery comes."""
                verdicts = [
                    store.claim(bench.request("e", generation=generation, fingerprint=fingerprint))
                    for store, bench in zip(stores, self.groups, strict=True)
                ]
                assert said(verdicts[0]) == said(verdicts[1])
                held = [each.held if isinstance(each, Exhausted) else each for each in verdicts]
                if all(isinstance(each, Claim) for each in held):
                    self.held.append(tuple(each for each in held if isinstance(each, Claim)))

            @rule(step=st.sampled_from(STEPS), back=st.integers(0, 3))
            def act(self, step: str, back: int) -> None:
                """A holder, the latest or a stale one, does something."""
                number = len(self.held) - 1 - back
                if number >= 0 and (number, step) not in self.made:
                    self.made |= {(number, step)} if step in ONCE else set()
                    held = self.held[number]
                    answers = [done(store, each, step) for store, each in zip(stores, held, strict=True)]
                    assert answers[0] == answers[1]

            @rule()
            def pass_time(self) -> None:
                """All that waits is due."""
                for bench in benches:
                    bench.pass_time()

        run_state_machine_as_test(
            Event, settings=settings(max_examples=15, stateful_step_count=15, deadline=None, database=None)
        )
