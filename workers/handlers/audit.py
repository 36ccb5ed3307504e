"""Group audit, in Lambda: each sign-up leaves an entry in the audit log, which is the function's own log stream."""

import structlog
from millrace.events import UserSignedUp

from workers.event_work import EventWork
from workers.external import Reconciled
from workers.handling import handles
from workers.stores.level import Level

log = structlog.get_logger("millrace.audit")


@handles(UserSignedUp, needs=Level.FENCED)
def record_sign_up(event: UserSignedUp, work: EventWork) -> None:
    """Write the entry; ids only, since logs are read by many."""

    def write(key: str) -> None:
        log.info("signed up", entry=key, user_id=event.user_id, id=work.event.id, source=work.event.source)

    work.external("entry", write, reconcile=_write_again)


def _write_again(_provider_key: str) -> Reconciled:
    """A log stream cannot be asked at once what it holds; lines that bear the same `entry` are one entry."""
    return Reconciled.NOT_DONE
