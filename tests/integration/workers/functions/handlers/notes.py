"""Group notes: needs the database."""

from __future__ import annotations

from sqlalchemy import text

from tests.integration.workers.functions.catalog import PartNoted, PartStored
from workers.handling import handles
from workers.work import UnitOfWork


@handles(PartNoted)
def note_part(event: PartNoted, work: UnitOfWork) -> None:
    """Write a row and tell others."""
    work.execute(text("insert into notes (part) values (:part)").bindparams(part=event.part))
    work.publish(PartStored(part=event.part))
