"""What the tests of the lane do with a stack."""

from collections.abc import Sequence

from millrace import seal
from millrace.publishing import Publisher
from sqlalchemy import func, select

from tests.integration.workers.lane.catalog import CATALOG, ParcelGauged, ParcelSeen, ParcelWeighed
from tests.integration.workers.sample_handlers import effects
from tests.integration.workers.stack import Stack, until
from workers.tables import inbox


def see(
    stack: Stack, *names: str, how: str = "well", what: type[ParcelSeen | ParcelWeighed | ParcelGauged] = ParcelSeen
) -> None:
    """Publish an event about a parcel of each name; the event's id is the name."""
    with Publisher(stack.url("service.web"), source="/web", catalog=CATALOG) as publisher:
        publisher.publish_many([seal(what(name=name, how=how), source="/web", id=name) for name in names])


def amid_others(
    stack: Stack, group: str, how: str, what: type[ParcelSeen | ParcelWeighed | ParcelGauged] = ParcelSeen
) -> str:
    """Publish one parcel that fails in a way amid sixty others, and wait for its dead letter; how their ids begin."""
    prefix = how.replace(" ", "-")
    see(stack, *[f"{prefix}-a{number}" for number in range(30)], what=what)
    see(stack, f"{prefix}-bad", how=how, what=what)
    see(stack, *[f"{prefix}-z{number}" for number in range(30)], what=what)
    until(lambda: stack.outcome(group, f"{prefix}-bad") == "dead-lettered", what="its end")
    return prefix


def attempts(stack: Stack, event_id: str) -> int:
    """How many attempts at an event are on record."""
    return int(stack.rows(select(inbox.c.attempts).where(inbox.c.event_id == event_id))[0].attempts)


def processed(stack: Stack, prefix: str) -> int:
    """How many of the events whose ids begin so are processed."""
    mine = inbox.c.event_id.startswith(prefix), inbox.c.state == "processed"
    return int(stack.rows(select(func.count()).select_from(inbox).where(*mine))[0][0])


def in_lane(stack: Stack, prefix: str) -> int:
    """How many of these events were run by the worker's own process, not by one of its pool."""
    own = f"belt:{stack.processes['belt'].pid}@%"
    mine = inbox.c.event_id.startswith(prefix), inbox.c.owner.like(own)
    return int(stack.rows(select(func.count()).select_from(inbox).where(*mine))[0][0])


def noted(stack: Stack, prefix: str, who: str = "belt") -> tuple[int, int]:
    """How many effects these events have had in a group, and on how many of them."""
    counted = select(func.count(), func.count(effects.c.order_id.distinct()))
    return tuple(stack.rows(counted.where(effects.c.order_id.startswith(prefix), effects.c.who == who))[0])


def notes(stack: Stack, names: Sequence[str]) -> dict[str, int]:
    """How often each name was noted."""
    return {name: len(stack.effects("belt", name)) for name in names}
