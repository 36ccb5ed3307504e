"""The contract has teeth: a store that lacks one guard, or claims too high a level, fails the check of that guard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar

import pytest
from sqlalchemy import Connection

from tests.integration.workers.stores import contract
from tests.integration.workers.stores.bench import Bench
from tests.integration.workers.stores.benches import redis_bench, sql_bench
from tests.redis_server import RedisServer
from workers.database import begin
from workers.stores.items import Condition, Fields
from workers.stores.level import Level
from workers.stores.redis import RedisStore
from workers.stores.sql import LeaseStore
from workers.stores.store import Call, Outcome
from workers.verdicts import Claim, Request, Verdict

pytestmark = pytest.mark.long


class Unfenced(RedisStore):
    """Takes what anyone says of an event."""

    def _change(self, key: str, where: Condition, put: Condition, *, seconds: float | None = None) -> Fields | None:
        mine = {name: value for name, value in where.items() if name not in ("token", "fence", "state")}
        return super()._change(key, mine if "fence" in where else where, put, seconds=seconds)


class FencedByState(RedisStore):
    """Asks whether the event runs, not who runs it."""

    def _change(self, key: str, where: Condition, put: Condition, *, seconds: float | None = None) -> Fields | None:
        mine = {name: value for name, value in where.items() if name not in ("token", "fence")}
        return super()._change(key, mine if "fence" in where else where, put, seconds=seconds)


class TwoSteps(RedisStore):
    """Looks first, and writes a moment later."""

    def _change(self, key: str, where: Condition, put: Condition, *, seconds: float | None = None) -> Fields | None:
        item = self._get(key)
        if any(item.get(name) != value for name, value in where.items()):
            return item
        time.sleep(0.02)
        return super()._change(key, {}, put, seconds=seconds)


class WorkersClock(RedisStore):
    """Compares the store's times with the worker's."""

    def _wait(self, item: Fields) -> float:
        return float(item["due_at"]) - time.time()


class NoLease(RedisStore):
    """Lets everyone take over at once."""

    def _wait(self, item: Fields) -> float:
        return 0.0 * super()._wait(item)


class NoFingerprint(RedisStore):
    """Looks at the id only."""

    def claim(self, request: Request) -> Verdict:
        return super().claim(replace(request, fingerprint="any"))


class NoGenerations(RedisStore):
    """Does not know replays."""

    def claim(self, request: Request) -> Verdict:
        return super().claim(replace(request, generation=0))


class EndlessAttempts(RedisStore):
    """Never has enough."""

    def claim(self, request: Request) -> Verdict:
        return super().claim(replace(request, max_attempts=100))


class ForgetsTheEnd(RedisStore):
    """Does not record that no attempt may follow."""

    def exhaust(self, held: Claim, *, error: str) -> None:
        """Nothing."""


class ForgetsCalls(RedisStore):
    """Takes every call for the first."""

    def intend(self, held: Claim, name: str, provider_key: str) -> Call | None:
        super().intend(held, name, provider_key)
        return None


class OneKeyForAll(RedisStore):
    """Its key is the id, whatever group and source."""

    def claim(self, request: Request) -> Verdict:
        one = request.envelope.model_copy(update={"source": "/s"})
        return super().claim(replace(request, envelope=one))


class ForgetsOutcomes(RedisStore):
    """Records no outcome."""

    def complete(self, held: Claim, outcome: Outcome) -> None:
        self.postpone(held, seconds=0.1, error=outcome.error or "")


BROKEN: list[tuple[type[RedisStore], Callable[[Bench], None]]] = [
    (ForgetsOutcomes, contract.outcome_is_final),
    (OneKeyForAll, contract.scope_is_group_source_and_id),
    (NoLease, contract.second_delivery_waits),
    (Unfenced, contract.stale_holder_can_do_nothing),
    (FencedByState, contract.stale_holder_can_do_nothing),
    (NoLease, contract.retry_is_the_next_attempt),
    (EndlessAttempts, contract.attempts_end),
    (ForgetsTheEnd, contract.ended_attempts_stay_ended),
    (NoFingerprint, contract.other_payload_is_a_conflict),
    (NoGenerations, contract.replay_reopens_a_dead_letter),
    (ForgetsCalls, contract.calls_are_on_record),
    (TwoSteps, contract.one_winner_of_many),
    (NoLease, contract.one_winner_of_many),
    (WorkersClock, contract.workers_clock_does_not_matter),
]


@pytest.mark.parametrize(("kind", "check"), BROKEN, ids=[f"{kind.__name__}-{check.__name__}" for kind, check in BROKEN])
def test_a_missing_guard_is_red(
    redis_server: RedisServer, kind: type[RedisStore], check: Callable[[Bench], None]
) -> None:
    """Each check fails for the store that lacks what it checks."""
    with redis_bench(redis_server.url, kind) as bench, pytest.raises((AssertionError, pytest.fail.Exception)):
        check(bench)


def test_every_check_has_been_red() -> None:
    """No check is without a store that fails it."""
    assert {check for _, check in BROKEN} == set(contract.CHECKS)


class TwoTransactions(LeaseStore):
    """Claims to commit effects and outcome together, and does it one after the other."""

    level: ClassVar[Level] = Level.TRANSACTIONAL

    @contextmanager
    def completing(self, held: Claim, outcome: Outcome) -> Iterator[Connection]:
        """Two transactions."""
        with begin(self._engine) as connection:
            yield connection
        self.complete(held, outcome)


def test_a_level_that_is_too_high_is_red(own_sqlite: str) -> None:
    """A lease store that says TRANSACTIONAL keeps the effects of a stale holder."""
    with sql_bench(own_sqlite, TwoTransactions) as bench, pytest.raises(AssertionError):
        contract.effects_and_outcome_commit_together(bench)
