"""The envelope, whatever comes: an Envelope that can be written and read again, or InvalidEvent, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from millrace import Envelope, InvalidEvent
from millrace.envelope import MAX_BYTES, from_plain, open_payload, parse_json

from tests.strategies import ANY_JSON, ANY_TEXT, BODIES, CATALOG, EVENTS, FREE, IDS, Free, damaged, encoded


def decoded(raw: bytes) -> Envelope | None:
    """The envelope, or None where it was refused with a field and a reason."""
    try:
        return Envelope.from_bytes(raw)
    except InvalidEvent as error:
        reason = (error.field, error.problem)
    assert all(reason)
    return None


def reads_again(envelope: Envelope) -> None:
    """What was decoded is encoded to an equal one, unless that is too large, which is said."""
    try:
        raw = envelope.to_bytes()
    except InvalidEvent as error:
        problem = error.problem
    else:
        assert len(raw) <= MAX_BYTES
        assert Envelope.from_bytes(raw) == envelope
        assert Envelope.from_bytes(raw).to_bytes() == raw
        return
    assert problem.startswith(f"must be at most {MAX_BYTES} bytes")


@given(raw=BODIES)
def test_any_bytes(raw: bytes) -> None:
    """Noise, any JSON, events, damaged ones, and what is nearly too large or too deep."""
    envelope = decoded(raw)
    if envelope is not None:
        reads_again(envelope)


@given(fields=EVENTS)
def test_a_good_event_is_never_refused(fields: dict[str, Any]) -> None:
    """And says what was written, attribute by attribute."""
    envelope = Envelope.from_bytes(encoded(fields))
    assert {name: getattr(envelope, name) for name in fields} == fields
    reads_again(envelope)
    assert open_payload(envelope, CATALOG) == Free.model_validate(fields["data"])


@given(fields=EVENTS, changes=st.dictionaries(st.sampled_from(sorted(Envelope.model_fields)), ANY_JSON, max_size=2))
def test_any_attribute_of_any_value(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    """Attributes of every type, in an event that is good otherwise."""
    envelope = decoded(encoded({**fields, **changes}))
    if envelope is not None:
        reads_again(envelope)


@given(raw=damaged(EVENTS.map(encoded)))
def test_damaged_bytes(raw: bytes) -> None:
    """A few bytes of a good event lost or put in."""
    envelope = decoded(raw)
    if envelope is not None:
        reads_again(envelope)


@given(fields=FREE | st.dictionaries(ANY_TEXT, ANY_JSON, max_size=3), id=IDS | st.none() | ANY_TEXT)
def test_any_plain_shape(fields: dict[str, Any], id: str | None) -> None:
    """The shape with its id outside the body."""
    try:
        envelope = from_plain(encoded({**fields, "eventType": "ANY_THING"}), id=id, source="/door", catalog=CATALOG)
    except InvalidEvent as error:
        reason = (error.field, error.problem)
        assert all(reason)
    else:
        reads_again(envelope)
        assert open_payload(envelope, CATALOG).event_type == "any.thing"


_DIGITS = st.text("0123456789", min_size=1, max_size=400).map(lambda digits: digits.lstrip("0") or "0")
_NUMBERS = st.builds(
    lambda sign, whole, fraction, exponent: f"{sign}{whole}{fraction}{exponent}",
    st.sampled_from(["", "-"]),
    _DIGITS,
    st.one_of(st.just(""), _DIGITS.map(lambda digits: f".{digits}")),
    st.sampled_from(["", "", "e9", "E+308", "e400", "e-400", "E999"]),
)
_SPACE = st.sampled_from(["", " ", "\n", "\t \r"])
_TEXTS = st.recursive(
    st.builds(lambda before, number, after: f"{before}{number}{after}", _SPACE, _NUMBERS, _SPACE),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.builds(lambda space, value: f'{{"a"{space}:{value}}}', _SPACE, inner),
    ),
    max_leaves=5,
)


@given(text=_TEXTS)
def test_a_number_that_is_too_large_is_found_however_it_is_written(text: str) -> None:
    """Else it would be null when it is written anew."""
    value = json.loads(text)
    if "inf" in repr(value):
        with pytest.raises(InvalidEvent, match="finite"):
            parse_json(text.encode())
    else:
        assert parse_json(text.encode()) == value
