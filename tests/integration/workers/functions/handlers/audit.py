"""Group audit: the sample's own handler."""

from __future__ import annotations

from millrace.events import UserSignedUp

from workers.event_work import EventWork
from workers.handlers.audit import record_sign_up
from workers.handling import handles
from workers.stores.level import Level


@handles(UserSignedUp, needs=Level.FENCED)
def audit(event: UserSignedUp, work: EventWork) -> None:
    """As the sample does it."""
    record_sign_up.function(event, work)  # type: ignore[arg-type]
