"""Group audit: the sample's own handler."""

from __future__ import annotations

from millrace.events import UserSignedUp

from workers.event_work import EventWork
from workers.handlers import audit as sample
from workers.handling import handles
from workers.stores.level import Level


@handles(UserSignedUp, needs=Level.FENCED)
def audit(event: UserSignedUp, work: EventWork) -> None:
    """As the sample does it."""
    sample.record_sign_up.function(event, work)  # type: ignore[arg-type]
