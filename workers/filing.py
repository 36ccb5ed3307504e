"""From a message in a transit queue to its letter, and from the log `accepted` to its index: rows as plain data."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from millrace import names
from millrace.declarations import Catalog
from millrace.envelope import CONTENT_TYPE, Envelope, parse_object
from millrace.errors import InvalidEvent

from workers.letters import DEAD, OPEN, PARKED, REJECTED
from workers.outgoing import CAUSE_HEADER, LETTER_HEADER, SOURCE_HEADER
from workers.received import CELERY_SOURCE, GENERATION_HEADER, MAX_GENERATION, PLAIN_SOURCE, Delivery, receive
from workers.storable import storable

_OWN = "x-millrace-"
#: The broker's own words for why it dead-lettered (RabbitMQ, dead letter exchanges), in ours.
_BROKER_CAUSES = {"rejected": "rejected by the worker", "delivery_limit": "given back too often", "expired": "expired"}
#: The broker counts in these how often a message was given back.
_COUNTS = frozenset({"x-delivery-count", "x-acquired-count"})
#: How long what identifies an event may be in the index.
_INDEXED = {"source": 300, "event_id": 200, "type": 200}
#: What the mark of a letter looks like.
MARK = re.compile(r"[0-9a-f]{32,64}")


def letter_row(
    queue: str, routing_key: str, came: Delivery, catalog: Catalog, trusted: frozenset[str]
) -> dict[str, Any]:
    """The row of `letters` for a message as it came through a transit queue."""
    delivery = _as_event(came, catalog, trusted)
    headers = json_headers(delivery.headers)
    group = queue.removeprefix(names.dead_queue("")) if queue.startswith(names.dead_queue("")) else None
    kind = DEAD if group else {names.PARKED: PARKED, names.REJECTED: REJECTED}[queue]
    identity = identify(routing_key, delivery, catalog)
    if kind == REJECTED and identity["source"] in (None, PLAIN_SOURCE) and mark_of(queue, headers) is not None:
        identity["source"] = _short(headers.get(SOURCE_HEADER), 300) or identity["source"]
    kept = {name: value for name, value in headers.items() if not name.startswith((_OWN, "x-"))}
    return {
        "kind": kind,
        "state": OPEN,
        "group_name": group,
        **identity,
        "generation": _count(headers, GENERATION_HEADER) or 0,
        "cause": _cause(kind, headers),
        "error": _text(headers, "error"),
        "stack": _text(headers, "stack"),
        "attempts": _count(headers, f"{_OWN}attempts"),
        "worker": _text(headers, "worker"),
        "content_type": _short(delivery.content_type, 200),
        "headers": kept,
        "routing_key": storable(routing_key[:255]),
        "body": delivery.body,
        "letter_key": _letter_key(queue, headers, delivery),
    }


def _as_event(came: Delivery, catalog: Catalog, trusted: frozenset[str]) -> Delivery:
    """A trusted sender's good Celery message as an event: when the relay sends it again, nobody vouches for it.

    Without a time, which it had not: the same message must become the same letter.
    """
    if "task" not in came.headers:
        return came
    try:
        event = receive(came, catalog, trusted).envelope.model_copy(update={"time": None})
    except InvalidEvent:
        return came
    kept = {name: value for name, value in came.headers.items() if name.startswith("x-")}
    return came._replace(body=event.to_bytes(), content_type=CONTENT_TYPE, headers=kept)


def accepted_row(routing_key: str, delivery: Delivery, catalog: Catalog) -> dict[str, Any] | None:
    """The row of the index of accepted events; None if the message has no identity."""
    found = identify(routing_key, delivery, catalog)
    row = {name: found[name] for name in ("source", "event_id", "type")}
    return row if all(text and len(text) <= _INDEXED[name] for name, text in row.items()) else None


def identify(routing_key: str, delivery: Delivery, catalog: Catalog) -> dict[str, str | None]:
    """Source, id, type and trace of a message, as far as they can be read; nothing is refused here."""
    message_id = delivery.properties.get("message_id")
    found: dict[str, str | None] = {
        "source": None,
        "event_id": storable(str(message_id)[:300]) if message_id else None,
        "type": _type(routing_key, catalog),
        "traceparent": None,
    }
    if "task" in delivery.headers:
        id_, task = delivery.headers.get("id"), delivery.headers.get("task")
        source = CELERY_SOURCE if isinstance(id_, str) else None
        return {**found, "source": source, "event_id": _short(id_, 300), "type": _short(task, 200) or found["type"]}
    try:
        fields = parse_object(delivery.body)
        envelope = Envelope.from_fields(fields)
    except InvalidEvent:
        plain = message_id and "eventType" in _fields(delivery.body)
        return {**found, "source": PLAIN_SOURCE if plain else None}
    own = {"source": envelope.source, "event_id": envelope.id, "traceparent": envelope.traceparent}
    return {**found, **own, "type": _type(envelope.type, catalog)}


def _fields(body: bytes) -> dict[str, Any]:
    try:
        return parse_object(body)
    except InvalidEvent:
        return {}


def _type(name: str, catalog: Catalog) -> str | None:
    """The event type that a name or alias stands for; a name that the catalog does not know stays as it is."""
    try:
        return catalog.payload_class(name).event_type
    except InvalidEvent:
        return _short(name, 200)


def _short(value: object, length: int) -> str | None:
    return storable(value[:length]) if isinstance(value, str) and value else None


def _cause(kind: str, headers: Mapping[str, Any]) -> str:
    cause = headers.get(CAUSE_HEADER)
    if isinstance(cause, str):
        return storable(cause[:100])
    if kind == PARKED:
        return "no group takes this type"
    deaths = headers.get("x-death")
    reason = deaths[0].get("reason") if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else None
    return storable(_BROKER_CAUSES.get(str(reason), str(reason or "unknown"))[:100])


def _text(headers: Mapping[str, Any], name: str) -> str | None:
    return _short(headers.get(f"{_OWN}{name}"), 20_000)


def _count(headers: Mapping[str, Any], name: str) -> int | None:
    value = headers.get(name)
    return value if isinstance(value, int) and 0 <= value <= MAX_GENERATION else None


def mark_of(queue: str, headers: Mapping[str, Any]) -> str | None:
    """The mark of a letter that a process of ours wrote.

    Anyone can set the header, but only our workers write to `dead`, and only ingress and egress to `rejected`.
    """
    mark = headers.get(LETTER_HEADER)
    transit = queue == names.REJECTED or queue.startswith(names.dead_queue(""))
    ours = transit and CAUSE_HEADER in headers and "x-death" not in headers
    return mark if ours and isinstance(mark, str) and MARK.fullmatch(mark) else None


def _letter_key(queue: str, headers: Mapping[str, Any], delivery: Delivery) -> str:
    """What tells a letter that comes again from another: its own mark, else its content."""
    mark = mark_of(queue, headers)
    if mark is not None:
        return mark
    lasting = {name: value for name, value in headers.items() if name not in _COUNTS}
    content = [queue, lasting, str(delivery.properties.get("message_id"))]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    digest.update(delivery.body)
    return digest.hexdigest()


def json_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """AMQP headers as JSON can hold them."""
    return {storable(str(name)): _json_value(value) for name, value in headers.items()}


def _json_value(value: object) -> Any:  # noqa: PLR0911 (one per kind of value)
    match value:
        case str():
            return storable(value)
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float():
            return value
        case dict():
            return json_headers(value)
        case list() | tuple():
            return [_json_value(each) for each in value]
        case bytes():
            return storable(value.decode("utf-8", "replace"))
    return str(value)
