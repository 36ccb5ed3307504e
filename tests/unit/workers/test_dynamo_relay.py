"""What the relay of functions sends next, over a table in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from millrace.envelope import Envelope
from millrace.errors import PublishError, Refused
from millrace.publishing.message import Message, event_message

from workers import dynamo_relay
from workers.dynamo_relay import DynamoRelay
from workers.functions.outbox import items_of
from workers.functions.outbox_table import MOST_PAGES, PAGE, OutboxTable


class Table:
    """DynamoDB, as far as the relay uses it."""

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}

    def write(self, *ids: str, key: str) -> None:
        for id_ in ids:
            envelope = Envelope(id=id_, source="/parts", type="part.stored", partitionkey=key, data={})
            (item,) = items_of([(event_message(envelope), envelope)])
            self.items[item["at"]["S"]] = item

    def query(self, *, Limit: int, ExclusiveStartKey: Any = None, **_more: Any) -> dict[str, Any]:
        after = ExclusiveStartKey["at"]["S"] if ExclusiveStartKey else ""
        left = sorted(at for at in self.items if at > after)
        page = [self.items[at] for at in left[:Limit]]
        last = {"LastEvaluatedKey": {name: page[-1][name] for name in ("shard", "at")}} if len(left) > Limit else {}
        return {"Items": page, **last}

    def batch_write_item(self, *, RequestItems: Any) -> dict[str, Any]:
        for requests in RequestItems.values():
            for request in requests:
                del self.items[request["DeleteRequest"]["Key"]["at"]["S"]]
        return {}


class Broker:
    """Takes all but some."""

    def __init__(self, refused: set[str]) -> None:
        self.refused = refused
        self.took: list[str] = []

    def send(self, messages: Sequence[Message]) -> list[PublishError | None]:
        self.took += [each.message_id for each in messages if each.message_id not in self.refused]
        return [Refused("no") if each.message_id in self.refused else None for each in messages]


def test_a_key_that_is_refused_stops_no_other_however_much_of_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one look sees; once it is taken, all of it goes in order."""
    table, many = Table(), MOST_PAGES * PAGE + 50
    table.write("bad", *(f"b{number}" for number in range(many)), key="b")
    table.write("good", key="g")
    broker: Any = Broker({"bad"})
    relay = DynamoRelay(OutboxTable(table, "t"), broker)
    for _ in range(4):
        relay.round()
    assert broker.took == ["good"]
    table.write("later", key="g")
    relay.round()
    assert broker.took == ["good", "later"]
    broker.refused = set()
    monkeypatch.setattr(dynamo_relay, "ASIDE_SECONDS", 0.0)
    relay._aside = dict.fromkeys(relay._aside, 0.0)
    while relay.round()[0] or relay.looks_on:
        pass
    assert broker.took[2:] == ["bad", *(f"b{number}" for number in range(many))]
    assert not table.items
