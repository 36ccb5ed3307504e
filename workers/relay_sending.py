"""Sends claimed rows so that each partition key keeps its order.

The rows of a key go one by one, each after the confirm of the one before. So the first copies of a key's events come
to the broker in the order of their commits, whatever dies, stalls or is late: a row is sent only if a confirm of the
one before it is on record or was just received. Heads of different keys, and rows without a key, go together.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

import structlog
from millrace.errors import BrokerUnreachable, ConfirmTimeout, PublishError
from millrace.publishing.message import Message
from millrace.publishing.sender import Sender
from sqlalchemy import Row

from workers.relay_numbers import FAILED, PUBLISHED
from workers.relay_records import Settled

log = structlog.get_logger("millrace.relay")


def send_rows(
    sender: Sender, claim: str, rows: Sequence[Row[Any]], step: Callable[[str], None], give_up: Callable[[], bool]
) -> Settled:
    """Send the rows of a claim until all are sent, the broker is out, or `give_up()`; what became of them."""
    published: list[int] = []
    refused: dict[int, str] = {}
    outages: dict[str, list[int]] = {}
    stopped: set[str | None] = set()
    for wave in waves(rows):
        ready = [row for row in wave if row.partition_key not in stopped]
        if give_up() or outages or not ready:
            break
        step(f"sending {len(ready)} rows")
        for row, error in zip(ready, sender.send([_message(row) for row in ready]), strict=True):
            if error is None:
                published.append(row.id)
                continue
            stopped.add(row.partition_key)
            if _is_outage(error):
                outages.setdefault(str(error)[:500], []).append(row.id)
            else:
                refused[row.id] = str(error)[:500]
    PUBLISHED.inc(len(published))
    _tell({**refused, **{id_: error for error, ids in outages.items() for id_ in ids}}, rows)
    return Settled(
        claim=claim, rows={row.id: row for row in rows}, published=published, refused=refused, outages=outages
    )


def waves(rows: Sequence[Row[Any]]) -> Iterator[list[Row[Any]]]:
    """First every row without a key and the first one of each key, then each key's second one, and so on."""
    chains: dict[Hashable, list[Row[Any]]] = {}
    for row in rows:
        chains.setdefault((row.id,) if row.partition_key is None else row.partition_key, []).append(row)
    for wave in zip_longest(*chains.values()):
        yield [row for row in wave if row is not None]


def _is_outage(error: PublishError) -> bool:
    """Whether the broker, not the row, is at fault."""
    return isinstance(error, BrokerUnreachable | ConfirmTimeout)


def _message(row: Row[Any]) -> Message:
    return Message(
        exchange=row.exchange,
        routing_key=row.routing_key,
        body=row.body,
        message_id=row.event_id,
        content_type=row.content_type,
        headers=row.headers,
    )


def _tell(failed: dict[int, str], rows: Sequence[Row[Any]]) -> None:
    FAILED.inc(len(failed))
    if failed:
        first = next(row for row in rows if row.id in failed)
        log.warning("not confirmed", rows=len(failed), error=failed[first.id][:300], first=first.event_id)
