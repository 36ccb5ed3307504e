"""Effects outside the database (mail, payment, cloud calls): intent recorded, call made, outcome recorded."""

from collections.abc import Callable
from enum import Enum
from typing import Any

from millrace.errors import NotDone, Permanent

from workers.stores.store import DONE, InboxStore
from workers.verdicts import Claim


class Reconciled(Enum):
    """What a provider says of a call whose outcome was not recorded."""

    DONE = "done"
    NOT_DONE = "not done"
    UNKNOWN = "unknown"


class OutcomeUnknown(Permanent):
    """A call was begun and its outcome is not known: a person must find out."""


def call_once(
    store: InboxStore,
    held: Claim,
    name: str,
    provider_key: str,
    call: Callable[[str], Any],
    reconcile: Callable[[str], Reconciled] | None,
) -> Any:
    """Make the call unless an earlier attempt made it; see UnitOfWork.external."""
    earlier = store.intend(held, name, provider_key)
    if earlier is not None:
        if earlier.state == DONE:
            return earlier.result
        settled = reconcile(provider_key) if reconcile else Reconciled.UNKNOWN
        if settled is Reconciled.UNKNOWN:
            raise OutcomeUnknown(f"outcome unknown: {name} was begun by an earlier attempt and may have had its effect")
        if settled is Reconciled.DONE:
            store.record_call(held, name, None)
            return None
    try:
        result = call(provider_key)
    except NotDone:
        store.withdraw(held, name)
        raise
    store.record_call(held, name, result)
    return result
