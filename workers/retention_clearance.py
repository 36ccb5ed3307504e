"""Up to when nothing that was sent to a group can come any more: what makes it safe to forget an event.

A copy of an event that is done with may still wait: in the outbox of a relay that died before it took note, in the
queue of a group that nobody works off, in a worker's hand, in a delay. One look at empty queues says that all that came
before has been handed out; when a day has passed since, it is in nobody's hand any more (decision 0405).
"""

from collections.abc import Callable, Mapping

import amqp
from millrace import names
from millrace.declarations import WorkerGroup
from millrace.derived import timing
from millrace.publishing.addresses import connect_broker
from millrace.publishing.store_clock import store_now
from millrace.retry import MAX_DELAY
from sqlalchemy import Engine, func, select, update

from workers.database import begin, insert_into, reading
from workers.tables import clearances, outbox

#: A delivery that a worker was given is settled within a day: longer than any group's lease can be.
IN_HAND_SECONDS = 86_400.0
#: Room for rounding, and for an event that waits until a store is back.
_ROOM_SECONDS = 60.0
#: A broker that does not answer for so long is asked again in the next round.
_ANSWER_SECONDS = 10
#: The jitter that a retry may have at most.
_LARGEST_JITTER = 0.5

#: How many messages a queue has ready; None if there is no such queue.
Ask = Callable[[str], int | None]


def reach(group: WorkerGroup | None) -> float:
    """The longest, in seconds, that a group's own copy of an event can be away in a delay; None is an unknown group."""
    if group is None:
        return MAX_DELAY.total_seconds() * (1 + _LARGEST_JITTER) + _ROOM_SECONDS
    longest = group.retry.longest_delay.total_seconds() * (1 + group.retry.jitter)
    return max(longest, timing(group).lease) + _ROOM_SECONDS


def look(engine: Engine, groups: Mapping[str, bool], ask: Ask) -> None:
    """Note for each group whose queues are empty that all that was sent before this moment has been handed out.

    `groups` says of each whether it is declared: then its queues must be there, for one that cannot be reached now may
    hold messages. RabbitMQ 4.3 tells the keeper nothing of a queue that is not declared: it says nothing then.
    """
    oldest = select(func.min(outbox.c.created_at)).where(outbox.c.published_at.is_(None))
    with reading(engine) as connection:
        now, unpublished = connection.execute(select(store_now(), oldest.scalar_subquery())).one()
    clear = now if unpublished is None else min(now, unpublished)
    for group, declared in groups.items():
        try:
            ready = [ask(queue) for queue in (names.PARKED, names.dead_queue(group), names.group_queue(group))]
        except amqp.AccessRefused:
            if declared:
                raise
            continue
        if all(count == 0 or (count is None and not declared) for count in ready):
            _note(engine, group, clear, now)


def _note(engine: Engine, group: str, clear: float, now: float) -> None:
    """Keep two looks: the older one counts once it is a day old, then this one begins to wait."""
    mine = clearances.c.group_name == group
    with begin(engine) as connection:
        first = {"group_name": group, "next_clear_before": clear, "next_seen_at": now}
        connection.execute(insert_into(connection.dialect, clearances).values(first).on_conflict_do_nothing())
        ripe = update(clearances).where(mine, clearances.c.next_seen_at <= now - IN_HAND_SECONDS)
        moved = {"clear_before": clearances.c.next_clear_before, "next_clear_before": clear, "next_seen_at": now}
        connection.execute(ripe.values(moved))


def asking(broker_url: str) -> tuple[Ask, Callable[[], None]]:
    """What asks the broker, and what closes the connection; raises what the broker raises.

    The user needs any permission on what it asks for (RabbitMQ 4.3; older ones answer every user of the vhost).
    """
    connection = connect_broker(broker_url, connect_timeout=10, read_timeout=_ANSWER_SECONDS)

    def ask(queue: str) -> int | None:
        channel = connection.channel()
        try:
            found = channel.queue_declare(queue, passive=True)
        except amqp.NotFound:
            return None
        channel.close()
        return int(found.message_count)

    return ask, connection.close
