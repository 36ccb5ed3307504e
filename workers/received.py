"""From a message as it came to an event of the catalog: every shape that is accepted, and why others are not."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from millrace import names
from millrace.declarations import Catalog, Payload
from millrace.envelope import (
    CONTENT_TYPE,
    MAX_BYTES,
    Envelope,
    from_plain,
    open_payload,
    parse_json,
    parse_object,
    payload_from,
    seal,
)
from millrace.errors import InvalidEvent

#: The header that stands for properties that could not be read (workers.undecodable); it holds their bytes in base64.
UNDECODABLE = "millrace-undecodable-properties"
GENERATION_HEADER = "x-millrace-generation"
CELERY_SOURCE = "/celery"
PLAIN_SOURCE = "/plain"
MAX_GENERATION = 1_000_000
#: An envelope of so many bytes surely fits when it is written anew: text grows at most sixfold (an escape for a byte),
#: a number less (1e15), and what is added (attributes that were left out, an alias' type) is some hundred bytes. Nor
#: can an integer in it have more digits than Python writes (4,300).
SURELY_FITS = MAX_BYTES // 16
#: In seconds: 28 binary levels.
LONGEST_ETA = 2**28 - 2


class Delivery(NamedTuple):
    """A message as it came: bytes, content type, headers, AMQP properties."""

    body: bytes
    content_type: str | None
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    exchange: str = ""


def body_bytes(body: object) -> bytes:
    """A message's body as it came, whatever py-amqp made of it."""
    return body if isinstance(body, bytes) else str(body).encode("utf-8", "surrogateescape")


class Received(NamedTuple):
    """An accepted event: envelope and checked payload, its replay generation, and when it is due (native `eta`).

    `begun` says that a worker may have begun it before.
    """

    envelope: Envelope
    payload: Payload
    generation: int = 0
    begun: bool = False
    eta: datetime | None = None


def receive(delivery: Delivery, catalog: Catalog, trusted: frozenset[str]) -> Received:
    """Check a message; raises InvalidEvent with the field and the reason.

    Three shapes are accepted: CloudEvents structured JSON, the plain shape with a message id, and Celery's own
    message if the broker vouches (AMQP `user-id`) that a trusted user sent it. A generation that came through the
    door `in` is not believed: only replays have one. What is accepted can be written as an envelope and read again.
    """
    if UNDECODABLE in delivery.headers:
        raise InvalidEvent("properties", "cannot be decoded")
    generation = 0 if delivery.exchange == names.IN else _generation(delivery.headers)
    if "task" in delivery.headers:
        received = _native(delivery, catalog, trusted, generation)
        _require_readable(received.envelope)
        return received
    envelope, payload = open_event(
        delivery.body,
        catalog,
        id=_text(delivery.properties, "message_id"),
        source=PLAIN_SOURCE,
        cloudevent=delivery.content_type == CONTENT_TYPE,
    )
    return Received(envelope=envelope, payload=payload, generation=generation)


def open_event(
    body: bytes, catalog: Catalog, *, id: str | None, source: str, cloudevent: bool = False
) -> tuple[Envelope, Payload]:
    """The event of an envelope, or of the plain shape, whose id and source are given; raises InvalidEvent.

    `cloudevent` says that it was declared as an envelope. What is given can be written as one and read again.
    """
    fields = parse_object(body)
    as_it_came = cloudevent or "specversion" in fields
    envelope = Envelope.from_fields(fields) if as_it_came else from_plain(body, id=id, source=source, catalog=catalog)
    payload = open_payload(envelope, catalog)
    if envelope.type != payload.event_type:  # it came under an alias
        envelope = envelope.model_copy(update={"type": payload.event_type})
    if not as_it_came or len(body) > SURELY_FITS:
        _require_readable(envelope)
    return envelope, payload


def _require_readable(envelope: Envelope) -> None:
    Envelope.from_bytes(envelope.to_bytes())  # as a delay and the pool must: ours may be larger, or deeper


def _native(delivery: Delivery, catalog: Catalog, trusted: frozenset[str], generation: int) -> Received:
    headers = delivery.headers
    sender = _text(delivery.properties, "user_id")
    if sender not in trusted:
        raise InvalidEvent("user-id", f"Celery's own messages are taken from trusted users only, got {sender!r}")
    if delivery.content_type != "application/json":
        raise InvalidEvent("content-type", "must be application/json")
    type_, id_ = _text(headers, "task"), _text(headers, "id")
    if type_ is None or id_ is None:
        raise InvalidEvent("headers", "task and id must be text")
    args, kwargs, embed = _celery_body(delivery.body)
    payload = payload_from(catalog.payload_class(type_), _arguments(args, kwargs))
    _refuse_canvas(embed)
    expires, eta = _time(headers, "expires"), _time(headers, "eta")
    if expires is not None and expires <= datetime.now(UTC):
        raise InvalidEvent("expires", f"the message expired at {expires.isoformat()}")
    if eta is not None and (eta - datetime.now(UTC)).total_seconds() > LONGEST_ETA:
        raise InvalidEvent("eta", "must be within eight years, the longest delay that the broker's levels hold")
    envelope = seal(payload, source=CELERY_SOURCE, id=id_)
    return Received(envelope=envelope, payload=payload, generation=generation, eta=eta)


def _celery_body(body: bytes) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
    match parse_json(body):
        case [list() as args, dict() as kwargs, dict() as embed]:
            return args, kwargs, embed
    raise InvalidEvent("body", "must be Celery's [args, kwargs, embed]")


def _arguments(args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The payload's fields: keyword arguments, or one positional mapping."""
    match args:
        case []:
            return kwargs
        case [dict() as fields] if not kwargs:
            return fields
    raise InvalidEvent("args", "must be empty: the payload's fields are keyword arguments")


def _refuse_canvas(embed: dict[str, Any]) -> None:
    present = sorted(name for name in ("callbacks", "errbacks", "chain", "chord") if embed.get(name))
    if present:
        raise InvalidEvent("embed", f"chains, chords and callbacks are refused, got {present}")


def _generation(headers: Mapping[str, Any]) -> int:
    value = headers.get(GENERATION_HEADER, 0)
    if not isinstance(value, int) or not 0 <= value <= MAX_GENERATION:
        raise InvalidEvent(GENERATION_HEADER, f"must be a number from 0 to {MAX_GENERATION}")
    return value


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) and value else None


def _time(headers: Mapping[str, Any], name: str) -> datetime | None:
    value = headers.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidEvent(name, "must be a time in ISO 8601") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def trusted_users(catalog: Catalog, vhost: str) -> frozenset[str]:
    """The broker users whose Celery messages are taken: services declared with `celery`, and the groups' own."""
    services = {names.service_user(vhost, service.name) for service in catalog.services if service.celery}
    return frozenset(services | {names.group_user(vhost, group.name) for group in catalog.groups})


def celery_request(received: Received, group: str, begun: bool) -> tuple[dict[str, Any], bytes]:
    """Headers and body of the Celery task (protocol 2) that runs an event in a group; arguments are not shown."""
    envelope = received.envelope
    id_ = names.task_id(envelope.id, group)
    headers = {
        "lang": "py",
        "task": envelope.type,
        "id": id_,
        "root_id": id_,
        "parent_id": None,
        "group": None,
        "retries": 0,
        "eta": None,
        "expires": None,
        "timelimit": [None, None],
        "argsrepr": f"({envelope.id},)",
        "kwargsrepr": "{}",
        "origin": envelope.source,
        "ignore_result": True,
    }
    arguments = [envelope.model_dump_json(exclude_none=True), received.generation, begun]
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return headers, json.dumps([arguments, {}, embed]).encode()
