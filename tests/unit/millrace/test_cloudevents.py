"""The wire format is CloudEvents 1.0: checked both ways against the library of the CloudEvents project."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st
from millrace import Envelope, seal
from millrace.catalog import CATALOG
from millrace.envelope import CONTENT_TYPE, open_payload
from millrace.events import UserSignedUp

TEXT = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
MOMENTS = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC))


def their(raw: bytes) -> CloudEvent:
    event = JSONFormat().read(CloudEvent, raw)
    assert isinstance(event, CloudEvent)
    return event


@given(id=TEXT, user_id=TEXT, moment=MOMENTS)
def test_the_library_reads_what_we_write(id: str, user_id: str, moment: datetime) -> None:
    ours = seal(UserSignedUp(user_id=user_id), source="/web", id=id, time=moment, partition_key="k")
    event = their(ours.to_bytes())
    assert (event.get_id(), event.get_source(), event.get_type()) == (id, "/web", "user.signed_up")
    assert (event.get_specversion(), event.get_datacontenttype()) == ("1.0", "application/json")
    assert event.get_time() == moment
    assert event.get_dataschema() == "urn:millrace:user.signed_up:1"
    assert event.get_extension("partitionkey") == "k"
    assert event.get_data() == {"user_id": user_id, "email": None}


@given(id=TEXT, user_id=TEXT, moment=MOMENTS)
def test_we_read_what_the_library_writes(id: str, user_id: str, moment: datetime) -> None:
    attributes: dict[str, Any] = {
        "id": id,
        "source": "https://example.com/web?a=1",
        "type": "user.signed_up",
        "time": moment,
        "subject": "user",
        "datacontenttype": "application/json",
        "dataschema": "urn:millrace:user.signed_up:1",
        "partitionkey": "k",
        "tenant": "acme",
    }
    ours = Envelope.from_bytes(JSONFormat().write(CloudEvent(dict(attributes), {"userId": user_id})))
    assert {name: getattr(ours, name) for name in attributes} == attributes
    assert open_payload(ours, CATALOG) == UserSignedUp(user_id=user_id)


def test_what_went_through_the_library_is_the_same_envelope() -> None:
    ours = seal(UserSignedUp(user_id="12345"), source="/web", id="1")
    assert Envelope.from_bytes(JSONFormat().write(their(ours.to_bytes()))) == ours


def test_the_content_type_is_the_structured_modes() -> None:
    assert CONTENT_TYPE == JSONFormat.CONTENT_TYPE
    ours = seal(UserSignedUp(user_id="12345"), source="/web", id="1")
    event = from_http(HTTPMessage(headers={"Content-Type": CONTENT_TYPE}, body=ours.to_bytes()), JSONFormat())
    assert Envelope.from_bytes(to_structured(event, JSONFormat()).body) == ours


@pytest.mark.parametrize("missing", ["id", "source", "type"])
def test_both_want_the_required_attributes(missing: str) -> None:
    fields = {"specversion": "1.0", "id": "1", "source": "/web", "type": "user.signed_up", "data": {}}
    del fields[missing]
    with pytest.raises(ValueError, match=missing):
        Envelope.from_bytes(json.dumps(fields).encode())
