"""What became of an event in the functions: their inbox lies in DynamoDB, so `why` asks there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from millrace import aws_names
from millrace.declarations import Catalog, LambdaGroup
from millrace.errors import UnknownEventType

from operations.aws_place import AwsPlace
from operations.event_facts import EventFacts


class FunctionOutcomes:
    """The inboxes of a stack's functions, over one client; close it after use."""

    def __init__(self, place: AwsPlace | None, catalog: Catalog, vhost: str) -> None:
        self._place = place
        self._catalog = catalog
        self._vhost = vhost
        self._client: Any = None

    def add_to(self, everything: list[EventFacts], event_id: str) -> str | None:
        """Add what the functions' inboxes have on record to an event's facts, source by source; why not, if not."""
        if not self._catalog.lambda_groups:
            return None
        if self._place is None:
            return "where AWS is must be known, got nothing"
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        if self._client is None:
            self._client = self._place.client("dynamodb")
        try:
            for group, source in self._candidates(everything):
                row = self._row(self._client, group, source, event_id)
                if row:
                    _of(everything, source).inbox.append(row)
        except (BotoCoreError, ClientError) as error:
            return f"DynamoDB does not answer: {error}"[:300]
        return None

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _candidates(self, everything: list[EventFacts]) -> Iterator[tuple[LambdaGroup, str]]:
        """Group and source of each item that there may be; what came by a topic may be known to a function alone."""
        known = {facts.source: self._handling(facts) for facts in everything if facts.source}
        for source, groups in known.items():
            yield from ((group, source) for group in groups)
        for event in self._catalog.events:
            source = f"/sns/{aws_names.topic(self._vhost, event)}" if event.public else ""
            if source and source not in known:
                yield from ((group, source) for group in self._catalog.lambda_groups if event.payload in group.handles)

    def _handling(self, facts: EventFacts) -> list[LambdaGroup]:
        try:
            type_ = self._catalog.event(facts.type).type if facts.type else None
        except UnknownEventType:
            return []
        return [group for group in self._catalog.lambda_groups if type_ is None or type_ in group.handled_types]

    def _row(self, dynamodb: Any, group: LambdaGroup, source: str, event_id: str) -> dict[str, Any] | None:
        """The item as a row of the inbox table; None if there is none, or no table."""
        from workers.stores.dynamodb import fields_of  # noqa: PLC0415
        from workers.stores.items import item_key  # noqa: PLC0415

        table = aws_names.inbox_table(self._vhost, group.name)
        key = {"key": {"S": item_key(group.name, source, event_id)}}
        try:
            answer = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)
        except dynamodb.exceptions.ResourceNotFoundException:
            return None
        fields = fields_of(answer.get("Item", {}))
        return _as_row(group.name, source, fields) if fields else None


def _of(everything: list[EventFacts], source: str) -> EventFacts:
    for facts in everything:
        if facts.source == source:
            return facts
    everything.append(EventFacts(source=source))
    return everything[-1]


def _as_row(group: str, source: str, item: Mapping[str, str]) -> dict[str, Any]:
    number = item.get("milliseconds")
    return {
        "group_name": group,
        "source": source,
        "type": item["type"],
        "state": item["state"],
        "attempts": int(item["attempts"]),
        "generation": int(item["generation"]),
        "error": item.get("error") or None,
        "milliseconds": float(number) if number else None,
        "traceparent": item.get("traceparent"),
        "first_seen_at": None,
        "updated_at": None,
        "due_at": None,
    }
