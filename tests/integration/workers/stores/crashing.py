"""`STORE_URL=URL python -m tests.integration.workers.stores.crashing GROUP`: a holder to be killed at every step.

Of each event it has done the steps up to the one that the event is named for; then it says so and waits for its end.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack

from sqlalchemy import insert

from tests.integration.workers.sample_handlers import effects
from tests.integration.workers.stores.bench import BURIED, DONE_WELL, Bench, claimed, store_at
from workers.stores.store import InboxStore
from workers.verdicts import Claim


def _call(store: InboxStore, held: Claim) -> None:
    store.intend(held, "pay", "key")
    store.record_call(held, "pay", 1)


STEPS: dict[str, Callable[[InboxStore, Claim], object]] = {
    "claimed": lambda _store, _held: None,
    "intended": lambda store, held: store.intend(held, "pay", "key"),
    "called": _call,
    "postponed": lambda store, held: store.postpone(held, seconds=20, error="x"),
    "exhausted": lambda store, held: store.exhaust(held, error="x"),
    "buried": lambda store, held: store.complete(held, BURIED),
    "completed": lambda store, held: store.complete(held, DONE_WELL),
}


def main(url: str, group: str) -> None:
    """Do the steps; where the store commits effects, leave a transaction open with the last one."""
    store, bench = store_at(url), Bench(lambda: store, lambda: None, group=group)
    for step, act in STEPS.items():
        act(store, claimed(store.claim(bench.request(step))))
    held = claimed(store.claim(bench.request("committing")))
    with ExitStack() as stack:
        if hasattr(store, "completing"):
            connection = stack.enter_context(store.completing(held, DONE_WELL))
            connection.execute(insert(effects).values(who=group, order_id="committing"))
        print("ready", flush=True)
        signal.pause()


if __name__ == "__main__":
    main(os.environ["STORE_URL"], sys.argv[1])
