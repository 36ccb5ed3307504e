"""An item of the functions' outbox table: a message to RabbitMQ, until the relay has sent it (workers.dynamo_relay).

The table has the keys `shard` (one value: what is oldest is found by one query) and `at`, which sorts by time.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from millrace.envelope import Envelope
from millrace.publishing.message import Message

SHARD = "0"
_NANOSECONDS = 1e9

#: As DynamoDB's client takes and gives it: every value with its type.
Item = Mapping[str, Mapping[str, str]]


def items_of(messages: Sequence[tuple[Message, Envelope]]) -> list[Item]:
    """The items of what one event published, in order; the time is for the order only, nobody's lease."""
    now = time.time_ns()
    return [_item(now, number, message, envelope) for number, (message, envelope) in enumerate(messages)]


def _item(now: int, number: int, message: Message, envelope: Envelope) -> Item:
    fields = {
        "shard": SHARD,
        "at": f"{now:020d}-{number:03d}-{message.message_id}",
        "body": message.body.decode(),
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "message_id": message.message_id,
        "content_type": message.content_type,
    }
    if envelope.partitionkey:
        fields["partition_key"] = envelope.partitionkey
    return {name: {"S": value} for name, value in fields.items()}


def message_of(item: Item) -> Message:
    """The message of an item; raises KeyError if it is none of ours."""
    return Message(
        exchange=item["exchange"]["S"],
        routing_key=item["routing_key"]["S"],
        body=item["body"]["S"].encode(),
        message_id=item["message_id"]["S"],
        content_type=item["content_type"]["S"],
    )


def age_of(item: Item) -> float:
    """How many seconds ago an item was written, by this machine's clock; for people."""
    return max(0.0, time.time() - int(item["at"]["S"][:20]) / _NANOSECONDS)


def key_of(item: Item) -> dict[str, Any]:
    """The key of an item."""
    return {"shard": item["shard"], "at": item["at"]}
