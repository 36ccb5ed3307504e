"""The unit of work of a function whose inbox is in DynamoDB: what it publishes commits with the outcome."""

from collections.abc import Mapping
from typing import Any, NoReturn

from millrace.declarations import Payload
from millrace.errors import Permanent

from workers.event_work import EventWork
from workers.stores.level import LevelTooLow

#: A transaction of DynamoDB takes 100 items, one of them the outcome, and 4 MB (room is left for the other fields).
MOST_EVENTS = 99
MOST_BYTES = 3_500_000


class FencedWork(EventWork):
    """The same surface as UnitOfWork, without a database."""

    def fetch(self, statement: Any) -> NoReturn:
        """Always raises LevelTooLow: there is no database."""
        raise LevelTooLow(
            f"work.fetch must have a database, a function with an inbox in DynamoDB has none: {statement}"
        )

    def execute(self, statement: Any, parameters: Mapping[str, Any] | None = None, *, rows: int | None = None) -> None:
        """Always raises LevelTooLow: there is no database."""
        del parameters, rows
        raise LevelTooLow(
            f"work.execute must have a database, a function with an inbox in DynamoDB has none: {statement}"
        )

    def publish(self, event: Payload, *, partition_key: str | None = None) -> str:
        """Publish an event if and when the outcome is recorded, in the same transaction; gives its id.

        The id is the same at every attempt. Raises InvalidEvent if the event is not valid, Permanent if there are more
        than one transaction holds.
        """
        id_ = super().publish(event, partition_key=partition_key)
        size = sum(len(message.body) for message, _ in self.messages)
        if len(self.messages) > MOST_EVENTS or size > MOST_BYTES:
            raise Permanent(f"a function may publish {MOST_EVENTS} events of {MOST_BYTES} bytes in all, it did more")
        return id_
