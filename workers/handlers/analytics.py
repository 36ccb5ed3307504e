"""Group analytics: sign-ups per minute, by the time at which they happened."""

from datetime import UTC, datetime

from millrace.events import UserSignedUp
from sqlalchemy import text

from workers.handlers._tables import sign_ups_per_minute
from workers.handling import handles
from workers.work import UnitOfWork

#: Both stores take this form of an upsert.
_COUNT = text(
    f"insert into {sign_ups_per_minute.name} (minute, sign_ups) values (:minute, 1)"  # noqa: S608 (a constant name)
    f" on conflict (minute) do update set sign_ups = {sign_ups_per_minute.name}.sign_ups + 1"
)


@handles(UserSignedUp)
def count_sign_up(_event: UserSignedUp, work: UnitOfWork) -> None:
    """Add one to the minute of the event's time."""
    moment = work.event.time or datetime.now(UTC)
    work.execute(_COUNT.bindparams(minute=moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")))
