"""Outbox rows for tests: written as services write them, read back, and a broker that says what it is told to."""

from collections.abc import Callable, Sequence
from typing import Any

from millrace.envelope import Envelope
from millrace.errors import PublishError
from millrace.publishing.message import Message, event_message
from millrace.publishing.outbox import add_messages
from sqlalchemy import Connection, Engine, Row, select, update

from workers.database import begin, reading
from workers.relay_claims import Claimed
from workers.relay_records import Settled
from workers.relay_turns import turn
from workers.tables import outbox


def placed(id_: str, key: str | None = None) -> Envelope:
    """An event that every group of the test catalog takes."""
    return Envelope(id=id_, source="/t", type="order.placed", partitionkey=key, data={"order_id": id_})


def add(connection: Connection, *envelopes: Envelope) -> None:
    """Add events in a transaction that is there already."""
    add_messages(connection, [(event_message(envelope), envelope) for envelope in envelopes])


def write(engine: Engine, *envelopes: Envelope) -> None:
    """Add events in a transaction of their own."""
    with begin(engine) as connection:
        add(connection, *envelopes)


def keyed(engine: Engine, *names: str) -> None:
    """Add events named like `k1`: the letter is the partition key, `-` stands for none."""
    write(engine, *(placed(name, None if name[0] == "-" else name[0]) for name in names))


def claim(engine: Engine, name: str, limit: int = 200) -> list[Row[Any]]:
    """The rows that a relay gets."""
    return list(turn(engine, name, None, limit).rows)


def named(rows: Sequence[Row[Any]]) -> list[str]:
    """The events' ids."""
    return [row.event_id for row in rows]


def settled(name: str, rows: Sequence[Row[Any]], *published: str, refused: Sequence[str] = ()) -> Settled:
    """A claim's outcome by the events' ids; what is not named is given back."""
    ids = {row.event_id: row.id for row in rows}
    return Settled(
        claim=name,
        rows={row.id: row for row in rows},
        published=[ids[event] for event in published],
        refused={ids[event]: "no room" for event in refused},
    )


def record(engine: Engine, name: str, rows: Sequence[Row[Any]], *published: str, refused: Sequence[str] = ()) -> None:
    """Record a claim's outcome."""
    assert turn(engine, "", settled(name, rows, *published, refused=refused), 0) == Claimed()


def row_of(engine: Engine, event_id: str) -> Row[Any]:
    """One event's row."""
    with reading(engine) as connection:
        return connection.execute(select(outbox).where(outbox.c.event_id == event_id)).one()


def shift(engine: Engine, seconds: float, *columns: str) -> None:
    """Move times of all rows; so the store's clock seems to be elsewhere."""
    with begin(engine) as connection:
        connection.execute(update(outbox).values({column: outbox.c[column] + seconds for column in columns}))


class Told:
    """Stands in for a Sender: keeps what was sent, and answers as a function of the message says."""

    def __init__(self, answer: Callable[[Message], PublishError | None] = lambda _message: None) -> None:
        self.answer = answer
        self.sent: list[list[str]] = []

    def send(self, messages: Sequence[Message]) -> list[PublishError | None]:
        """Note the messages and answer for each."""
        self.sent.append([message.message_id for message in messages])
        return [self.answer(message) for message in messages]
