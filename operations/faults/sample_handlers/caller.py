"""Group caller: a call to a provider that counts them, by the provider's idempotency key."""

import os

import httpx

from operations.faults.effects import add_effect
from operations.faults.sample import Called
from workers.external import Reconciled
from workers.handling import handles
from workers.work import UnitOfWork

#: Where the counting provider listens.
SINK_VARIABLE = "MILLRACE_FAULTS_SINK"


@handles(Called)
def call(event: Called, work: UnitOfWork) -> None:
    """Call out, and write the effect."""
    work.external("count", _count, reconcile=_ask)
    add_effect(work, "caller", event.subject)


def _count(key: str) -> int:
    answer = httpx.post(f"{os.environ[SINK_VARIABLE]}/{key}", timeout=5)
    return int(answer.raise_for_status().text)


def _ask(key: str) -> Reconciled:
    calls = int(httpx.get(f"{os.environ[SINK_VARIABLE]}/{key}", timeout=5).raise_for_status().text)
    return Reconciled.DONE if calls else Reconciled.NOT_DONE
