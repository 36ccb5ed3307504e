"""Group caller: a call to a provider that counts them, by the provider's idempotency key."""

import os
import ssl

import httpx

from operations.faults.effects import add_effect
from operations.faults.sample import Called
from workers.external import Reconciled
from workers.handling import handles
from workers.work import UnitOfWork

#: Where the counting provider listens.
SINK_VARIABLE = "MILLRACE_FAULTS_SINK"
#: The provider is called without TLS: httpx would read every authority that the machine trusts at each call (60 ms).
UNTRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@handles(Called)
def call(event: Called, work: UnitOfWork) -> None:
    """Call out, and write the effect."""
    work.external("count", count, reconcile=ask)
    add_effect(work, "caller", event.subject)


def count(key: str) -> int:
    """Have the provider count a call by its key."""
    answer = httpx.post(f"{os.environ[SINK_VARIABLE]}/{key}", timeout=5, verify=UNTRUSTING)
    return int(answer.raise_for_status().text)


def ask(key: str) -> Reconciled:
    """Whether the provider has counted a call by that key."""
    calls = int(httpx.get(f"{os.environ[SINK_VARIABLE]}/{key}", timeout=5, verify=UNTRUSTING).raise_for_status().text)
    return Reconciled.DONE if calls else Reconciled.NOT_DONE
