"""The envelope: round trips, and nothing but InvalidEvent whatever comes in."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from millrace import Envelope, InvalidEvent, Payload, seal
from millrace.catalog import CATALOG
from millrace.envelope import MAX_BYTES, MAX_ID_LENGTH, fingerprint, from_plain, open_payload, parse_object
from millrace.errors import UnknownEventType, UnknownSchemaVersion
from millrace.events import UserSignedUp

GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/web",
    "type": "user.signed_up",
    "time": "2026-11-22T10:00:00Z",
    "datacontenttype": "application/json",
    "dataschema": "urn:millrace:user.signed_up:1",
    "subject": "user 12345",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "partitionkey": "12345",
    "data": {"user_id": "12345"},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TEXT = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=50)


def encoded(fields: object) -> bytes:
    """As a careless sender would encode it: NaN, infinities and lone surrogates included."""
    return json.dumps(fields).encode()


def survives(raw: bytes) -> None:
    """Decoding gives an envelope that can be encoded again, or raises InvalidEvent with a short reason."""
    try:
        envelope = Envelope.from_bytes(raw)
        assert Envelope.from_bytes(envelope.to_bytes()) == envelope
        open_payload(envelope, CATALOG)
    except InvalidEvent as error:
        reason = (error.field, error.problem)
    else:
        return
    assert all(reason)


def test_an_envelope_comes_back_as_it_was_sealed() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sealed = seal(UserSignedUp(user_id="12345"), source="/web", id="1", traceparent=trace, partition_key="k")
    again = Envelope.from_bytes(sealed.to_bytes())
    assert again == sealed
    assert open_payload(again, CATALOG) == UserSignedUp(user_id="12345")
    assert (again.dataschema, again.partitionkey, again.traceparent) == ("urn:millrace:user.signed_up:1", "k", trace)
    assert abs(datetime.now(UTC) - (again.time or datetime.min.replace(tzinfo=UTC))) < timedelta(minutes=1)


def test_an_id_is_random_unless_given() -> None:
    first, second = (seal(UserSignedUp(user_id="1"), source="/web").id for _ in range(2))
    assert first != second


@given(id=TEXT, user_id=TEXT, email=st.none() | TEXT, moment=st.datetimes(timezones=st.just(UTC)))
def test_any_valid_payload_makes_a_round_trip(id: str, user_id: str, email: str | None, moment: datetime) -> None:
    payload = UserSignedUp(user_id=user_id, email=email)
    sealed = seal(payload, source="/web", id=id, time=moment)
    again = Envelope.from_bytes(sealed.to_bytes())
    assert again == sealed
    assert again.time == moment
    assert open_payload(again, CATALOG) == payload


@given(raw=st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_invalid_event(raw: bytes) -> None:
    survives(raw)


@given(value=JSON)
def test_arbitrary_json_raises_nothing_but_invalid_event(value: object) -> None:
    survives(encoded(value))


@given(changes=st.dictionaries(st.sampled_from(sorted(GOOD)) | st.text(max_size=8), JSON, max_size=4), data=JSON)
def test_changed_attributes_raise_nothing_but_invalid_event(changes: dict[str, object], data: object) -> None:
    survives(encoded({**GOOD, **changes}))
    survives(encoded({**GOOD, **changes, "data": {"user_id": "1", "extra": data}}))


@given(at=st.integers(0, len(encoded(GOOD))), cut=st.integers(0, 5), put=st.binary(max_size=5))
def test_damaged_bytes_raise_nothing_but_invalid_event(at: int, cut: int, put: bytes) -> None:
    raw = encoded(GOOD)
    survives(raw[:at] + put + raw[at + cut :])


@given(value=JSON, id=st.none() | st.text(max_size=300))
def test_any_plain_shape_raises_nothing_but_invalid_event(value: object, id: str | None) -> None:
    body = {**value, "eventType": "USER_SIGNUP"} if isinstance(value, dict) else value
    with suppress(InvalidEvent):
        from_plain(encoded(body), id=id, source="/door", catalog=CATALOG).to_bytes()


REFUSED: list[tuple[str, bytes, str, str]] = [
    ("empty", b"", "envelope", "must be JSON in UTF-8"),
    ("not UTF-8", b'{"id": "\xff"}', "envelope", "must be JSON in UTF-8"),
    ("UTF-16", json.dumps(GOOD).encode("utf-16"), "envelope", "must be JSON in UTF-8"),
    ("a list", b"[]", "envelope", "must be a JSON object, got list"),
    ("a number", b"5", "envelope", "must be a JSON object, got int"),
    ("nested 100,000 deep", b"[" * 30_000, "envelope", "recursion limit"),
    ("nested in data", encoded(GOOD)[:-2] + b', "a": ' + b"[" * 300 + b"]" * 300 + b"}}", "envelope", "recursion"),
    ("too large", encoded({**GOOD, "data": {"user_id": "x" * MAX_BYTES}}), "envelope", "must be at most 65536 bytes"),
    ("NaN", b'{"data": {"a": NaN}}', "envelope", "must be JSON in UTF-8"),
    ("infinity by overflow", encoded(GOOD)[:-2] + b', "a": 1e999}}', "envelope", "finite numbers only, got inf"),
    ("lone surrogate", encoded({**GOOD, "id": "\ud800"}), "envelope", "must be JSON in UTF-8"),
    ("no id", encoded({k: v for k, v in GOOD.items() if k != "id"}), "id", "field required"),
    ("empty id", encoded({**GOOD, "id": ""}), "id", "at least 1 character"),
    ("NUL in id", encoded({**GOOD, "id": "a\0"}), "id", "string should match pattern"),
    ("id of a number", encoded({**GOOD, "id": 5}), "id", "valid string"),
    ("id too long", encoded({**GOOD, "id": "x" * (MAX_ID_LENGTH + 1)}), "id", "at most 200 characters"),
    ("id too long in bytes", encoded({**GOOD, "id": "\U0001f600" * 100}), "id", "at most 200 bytes in UTF-8, got 400"),
    ("other version", encoded({**GOOD, "specversion": "0.3"}), "specversion", "input should be '1.0'"),
    ("space in source", encoded({**GOOD, "source": "a b"}), "source", "string should match pattern"),
    ("time without zone", encoded({**GOOD, "time": "2026-11-22T10:00:00"}), "time", "timezone"),
    ("time as number", encoded({**GOOD, "time": 1_700_000_000}), "time", "in the form of RFC 3339"),
    ("time as digits", encoded({**GOOD, "time": "1700000000"}), "time", "in the form of RFC 3339"),
    ("data as list", encoded({**GOOD, "data": []}), "data", "valid dictionary"),
    ("data null", encoded({**GOOD, "data": None}), "data", "valid dictionary"),
    ("not JSON data", encoded({**GOOD, "datacontenttype": "text/xml"}), "datacontenttype", "'application/json'"),
    ("traceparent", encoded({**GOOD, "traceparent": "x"}), "traceparent", "string should match pattern"),
    ("extension's name", encoded({**GOOD, "My-Ext": "x"}), "envelope", "must be lower-case letters and digits"),
    ("binary data", encoded({**GOOD, "data_base64": "AA=="}), "envelope", "got 'data_base64'"),
    ("extension's value", encoded({**GOOD, "ext": {}}), "envelope", "attribute ext must be text, a number or true"),
    ("NUL in an extension", encoded({**GOOD, "ext": "\0"}), "envelope", "attribute ext must be text"),
]


@pytest.mark.parametrize(("raw", "field", "problem"), [pytest.param(*rest, id=name) for name, *rest in REFUSED])
def test_what_is_wrong_is_named(raw: bytes, field: str, problem: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        Envelope.from_bytes(raw)
    assert caught.value.field == field
    assert problem in caught.value.problem


def test_nesting_100000_deep_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(InvalidEvent, match="must be at most 65536 bytes, got 200000"):
        Envelope.from_bytes(b"[" * 100_000 + b"]" * 100_000)


def test_the_offending_value_stays_out_of_the_message() -> None:
    with pytest.raises(InvalidEvent) as caught:
        open_payload(Envelope.from_fields({**GOOD, "data": {"user_id": "secret\n"}}), CATALOG)
    assert caught.value.field == "data.user_id"
    assert "secret" not in str(caught.value)


def test_the_bound_is_64_kib_either_way() -> None:
    rest = len(Envelope.from_fields({**GOOD, "data": {"a": ""}}).to_bytes())
    largest = Envelope.from_fields({**GOOD, "data": {"a": "x" * (MAX_BYTES - rest)}})
    assert Envelope.from_bytes(largest.to_bytes()) == largest
    with pytest.raises(InvalidEvent, match="must be at most 65536 bytes, got 65537"):
        Envelope.from_fields({**GOOD, "data": {"a": "x" * (MAX_BYTES - rest + 1)}}).to_bytes()


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), [1.0, {"b": float("-inf")}], "\ud800", ..., b"\xff"], ids=repr
)
def test_what_json_cannot_say_is_refused_and_never_sent_as_null(value: object) -> None:
    envelope = Envelope(**{**GOOD, "data": {"a": value}})
    with pytest.raises(InvalidEvent, match=r"^data: must"):
        envelope.to_bytes()


def test_extension_attributes_are_kept() -> None:
    extensions = {"tenant": "acme", "sampled": True, "sequence": 7, "copy": "x", "json": "y", "self": "z"}
    again = Envelope.from_bytes(Envelope.from_bytes(encoded({**GOOD, **extensions})).to_bytes())
    assert again.model_extra == extensions


def test_optional_attributes_may_be_missing() -> None:
    envelope = Envelope.from_bytes(encoded({"id": "1", "source": "/s", "type": "user.signed_up"}))
    assert envelope.data == {}
    assert set(json.loads(envelope.to_bytes())) == {"specversion", "id", "source", "type", "datacontenttype", "data"}


def test_a_null_in_the_payload_is_not_left_out() -> None:
    assert json.loads(Envelope.from_fields({**GOOD, "data": {"a": None}}).to_bytes())["data"] == {"a": None}


def test_an_envelope_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Envelope.from_fields(GOOD).id = "2"


def test_a_payload_is_checked_against_its_class() -> None:
    with pytest.raises(InvalidEvent, match=r"^data\.user_id: "):
        open_payload(Envelope.from_fields({**GOOD, "data": {}}), CATALOG)
    with pytest.raises(InvalidEvent, match=r"^data\.total: extra inputs are not permitted"):
        open_payload(Envelope.from_fields({**GOOD, "data": {"user_id": "1", "total": 5}}), CATALOG)
    with pytest.raises(UnknownEventType):
        open_payload(Envelope.from_fields({**GOOD, "type": "user.lost"}), CATALOG)
    for unknown in ("urn:millrace:user.signed_up:2", "urn:millrace:account.created:1"):
        with pytest.raises(UnknownSchemaVersion, match="unknown dataschema"):
            open_payload(Envelope.from_fields({**GOOD, "dataschema": unknown}), CATALOG)


def test_the_plain_shape_becomes_an_envelope_with_the_doors_source() -> None:
    raw = b'{"eventType": "USER_SIGNUP", "userId": "12345"}'
    envelope = from_plain(raw, id="m-1", source="/door", catalog=CATALOG)
    assert (envelope.id, envelope.source, envelope.type) == ("m-1", "/door", "user.signed_up")
    assert envelope.data == {"user_id": "12345", "email": None}


@pytest.mark.parametrize(
    ("raw", "id", "field"),
    [
        (b'{"eventType": "USER_SIGNUP", "userId": "1"}', None, "id"),
        (b'{"eventType": "USER_SIGNUP", "userId": "1"}', "", "id"),
        (b'{"eventType": "USER_SIGNUP", "userId": "1"}', "a\0", "id"),
        (b'{"userId": "1"}', "1", "eventType"),
        (b'{"eventType": 5}', "1", "eventType"),
        (b'{"eventType": "LOST"}', "1", "type"),
        (b'{"eventType": "USER_SIGNUP"}', "1", "data.user_id"),
        (b'{"eventType": "USER_SIGNUP", "userId": "1", "source": "/other"}', "1", "data.source"),
    ],
)
def test_a_wrong_plain_shape_is_refused_with_its_field(raw: bytes, id: str | None, field: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        from_plain(raw, id=id, source="/door", catalog=CATALOG)
    assert caught.value.field == field


class Order(Payload):
    event_type: ClassVar[str] = "order.placed"
    order_id: str
    price: float
    parts: dict[str, Any]


class NewerOrder(Order):
    schema_version: ClassVar[int] = 2


@given(
    order_id=st.text(st.characters(exclude_categories=["Cs"])),
    price=st.integers(-(10**9), 10**9),
    parts=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.integers(), max_size=6),
)
def test_equal_payloads_have_equal_fingerprints_however_they_are_spelled(
    order_id: str, price: int, parts: dict[str, int]
) -> None:
    turned = dict(reversed(parts.items()))
    spelled = [
        Order(order_id=order_id, price=price, parts=parts),
        Order.model_validate({"parts": turned, "price": float(price), "orderId": order_id}),
        Order.model_validate(parse_object(encoded({"price": str(price), "order_id": order_id, "parts": turned}))),
    ]
    assert spelled[0] == spelled[1] == spelled[2]
    assert len({fingerprint(each) for each in spelled}) == 1
    assert fingerprint(Order(order_id=order_id + "x", price=price, parts=parts)) != fingerprint(spelled[0])


def test_a_fingerprint_tells_types_and_versions_apart() -> None:
    fields: dict[str, Any] = {"order_id": "1", "price": 1, "parts": {}}
    assert fingerprint(Order(**fields)) != fingerprint(NewerOrder(**fields))
    assert fingerprint(Order(**fields)) == fingerprint(Order(**fields))
