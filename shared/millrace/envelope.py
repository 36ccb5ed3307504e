"""The wire format: CloudEvents 1.0, structured JSON, UTF-8, at most 64 KiB (https://cloudevents.io, spec v1.0.2)."""

import hashlib
import json
import math
import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

import pydantic_core
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from millrace import names
from millrace.declarations import Catalog, Payload
from millrace.errors import InvalidEvent, TooLarge, UnknownSchemaVersion

CONTENT_TYPE = "application/cloudevents+json"
MAX_BYTES = 64 * 1024
#: An id is at most this long, in bytes, so that it fits an AMQP short string together with a group's name.
MAX_ID_LENGTH = 200

#: made once: `json.dumps` makes one for each value
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_ATTRIBUTE = re.compile(r"[a-z0-9]{1,40}")
_TEXT = r"^[^\x00-\x1f\x7f]+$"


def _fits_short_string(text: str) -> str:
    size = len(text.encode())
    if size > MAX_ID_LENGTH:
        raise ValueError(f"must be at most {MAX_ID_LENGTH} bytes in UTF-8, got {size}")
    return text


def _timestamp(value: object) -> object:
    """Pydantic would take a number, or digits, for seconds since 1970; CloudEvents has RFC 3339 only."""
    if isinstance(value, datetime) or (isinstance(value, str) and "T" in value.upper()):
        return value
    raise ValueError("must be a date and time in the form of RFC 3339")


Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=_TEXT),
    AfterValidator(_fits_short_string),
]
Time = Annotated[AwareDatetime, BeforeValidator(_timestamp)]
#: JSON null is the same as a missing attribute (CloudEvents, JSON format, 2.1).
ContentType = Annotated[
    Literal["application/json"], BeforeValidator(lambda value: "application/json" if value is None else value)
]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x20\x7f<>\"{}|\\^`]+$")]
TraceParent = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")]


class Envelope(BaseModel):
    """One event with its CloudEvents attributes; extension attributes that others added are kept."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    specversion: Literal["1.0"] = "1.0"
    id: Id
    source: Uri
    type: Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=_TEXT)]
    time: Time | None = None
    datacontenttype: ContentType = "application/json"
    dataschema: Uri | None = None
    subject: Id | None = None
    traceparent: TraceParent | None = None
    partitionkey: Id | None = None
    data: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_extensions(self) -> Self:
        for name, value in (self.model_extra or {}).items():
            if not _ATTRIBUTE.fullmatch(name):
                raise ValueError(f"attribute names must be lower-case letters and digits, got {name[:40]!r}")
            if not isinstance(value, str | int | bool) or "\x00" in str(value):
                raise ValueError(f"attribute {name} must be text, a number or true or false")
        return self

    def to_bytes(self) -> bytes:
        """Encode as structured JSON; raises InvalidEvent beyond 64 KiB, or for what JSON cannot say."""
        try:
            raw = self.model_dump_json(exclude_none=True).encode()
        except ValueError as error:
            raise InvalidEvent("data", f"must be what JSON in UTF-8 can say: {type(error).__name__}") from None
        check_size(raw)
        check_numbers(self.data, "data")
        return raw

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Decode structured JSON; raises InvalidEvent that names the field."""
        return cls.from_fields(parse_object(raw))

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Check attributes that are parsed already; raises InvalidEvent that names the field."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise invalid_event(error, "envelope") from None


def check_size(raw: bytes) -> None:
    """Raise TooLarge, an InvalidEvent, if the event is larger than 64 KiB."""
    if len(raw) > MAX_BYTES:
        raise TooLarge("envelope", f"must be at most {MAX_BYTES} bytes, got {len(raw)}")


def check_numbers(value: object, field: str) -> None:
    """Raise InvalidEvent if NaN or an infinity is anywhere in the value: JSON has neither, and null is not the same."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            continue  # most are
        if isinstance(each, dict):
            left.extend(each.values())
        elif isinstance(each, list | tuple):
            left.extend(each)
        elif isinstance(each, float) and not math.isfinite(each):
            raise InvalidEvent(field, f"must hold finite numbers only, got {each}")


def parse_json(raw: bytes) -> object:
    """Parse JSON of at most 64 KiB; raises InvalidEvent, however large, deep or malformed it is."""
    check_size(raw)
    try:
        value: object = pydantic_core.from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidEvent("envelope", f"must be JSON in UTF-8: {error}") from None
    check_numbers(value, "envelope")
    return value


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse one JSON object; raises InvalidEvent for anything else."""
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise InvalidEvent("envelope", f"must be a JSON object, got {type(value).__name__}")
    return value


def invalid_event(error: ValidationError, within: str) -> InvalidEvent:
    """Turn the first problem that pydantic found into an InvalidEvent; the offending value stays out of it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or within
    message = first["msg"]
    return InvalidEvent(place if within == "envelope" else f"{within}.{place}", message[0].lower() + message[1:])


def seal(
    payload: Payload,
    *,
    source: str,
    id: str | None = None,
    time: datetime | None = None,
    traceparent: str | None = None,
    partition_key: str | None = None,
) -> Envelope:
    """Put a payload into a new envelope; the id is random unless given. Raises InvalidEvent."""
    fields = {
        "id": id if id is not None else str(uuid.uuid4()),
        "source": source,
        "type": payload.event_type,
        "time": time or datetime.now(UTC),
        "dataschema": names.dataschema(payload.event_type, payload.schema_version),
        "traceparent": traceparent,
        "partitionkey": partition_key,
        "data": payload.model_dump(mode="json"),
    }
    return Envelope.from_fields(fields)


def open_payload(envelope: Envelope, catalog: Catalog) -> Payload:
    """The payload, checked against the catalog; raises UnknownEventType, UnknownSchemaVersion or InvalidEvent."""
    payload_class = catalog.payload_class(envelope.type)
    expected = names.dataschema(payload_class.event_type, payload_class.schema_version)
    if envelope.dataschema not in (None, expected):
        raise UnknownSchemaVersion(str(envelope.dataschema))
    return payload_from(payload_class, envelope.data)


def payload_from(payload_class: type[Payload], data: dict[str, Any]) -> Payload:
    """Check `data` against a payload class; raises InvalidEvent that names the field."""
    try:
        return payload_class.model_validate(data)
    except ValidationError as error:
        raise invalid_event(error, "data") from None


def from_plain(raw: bytes, *, id: str | None, source: str, catalog: Catalog) -> Envelope:
    """Accept the plain shape `{"eventType": ..., field: value, ...}` that carries its id outside the body.

    Raises InvalidEvent, with field `id` when there is none: an event without an id is never run unprotected.
    """
    fields = parse_object(raw)
    type_ = fields.pop("eventType", None)
    if not isinstance(type_, str):
        raise InvalidEvent("eventType", "must name an event type of the catalog")
    payload_class = catalog.payload_class(type_)
    if not id:
        raise InvalidEvent("id", "must be given beside a plain event: AMQP's message id, or the message attribute `id`")
    return seal(payload_from(payload_class, fields), source=source, id=id)


def fingerprint(payload: Payload) -> str:
    """A SHA-256 over type, version and canonical payload: equal payloads agree however they were spelled."""
    spoken = _ordered(payload, payload.model_dump(mode="json", exclude_defaults=True))
    content = [payload.event_type, payload.schema_version, spoken]
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(value: object) -> str:
    return _CANONICAL.encode(value)


def _ordered(value: object, spoken: Any) -> Any:
    """What a value is in JSON, with each set in it sorted: two processes iterate over equal sets in different order."""
    if not isinstance(spoken, (dict, list)):  # most are
        return spoken
    match value, spoken:
        case BaseModel(), dict():
            return {name: _ordered(getattr(value, name, None), each) for name, each in spoken.items()}
        case dict(), dict() if len(value) == len(spoken):
            return {name: _ordered(its, each) for its, (name, each) in zip(value.values(), spoken.items(), strict=True)}
        case list() | tuple() | set() | frozenset(), list() if len(value) == len(spoken):
            each = [_ordered(its, part) for its, part in zip(value, spoken, strict=True)]
            return sorted(each, key=_canonical) if isinstance(value, set | frozenset) else each
    return spoken
