"""What is refused before anything is sent: no broker is needed, and none is reached."""

from typing import ClassVar

import pytest
from millrace import Envelope, InvalidEvent, Payload, seal
from millrace.catalog import CATALOG
from millrace.errors import UnknownEventType, UnknownSchemaVersion
from millrace.events import OnboardingStepDue, UserSignedUp
from millrace.publishing import Publisher
from millrace.publishing.checked import checked_envelope

NOWHERE = "amqp://web:secret@127.0.0.1:1/test"


class Impostor(Payload):
    event_type: ClassVar[str] = "user.signed_up"
    anything: str


class Unknown(Payload):
    event_type: ClassVar[str] = "user.lost"


class Typeless(Payload):
    pass


GOOD = seal(UserSignedUp(user_id="1"), source="/web", id="1")
REFUSED = {
    "unknown type": (Unknown(), "type: must be an event type of the catalog, got 'user.lost'"),
    "another class of this type": (Impostor(anything="x"), "user.signed_up must be a UserSignedUp, got a Impostor"),
    "a group's own task": (OnboardingStepDue(account_id="1"), "a task of the group 'workflow'"),
    "an envelope of a task": (seal(OnboardingStepDue(account_id="1"), source="/web"), "a task of the group 'workflow'"),
    "not validated": (UserSignedUp.model_construct(), "data.user_id: field required"),
    "not validated, of another type": (UserSignedUp.model_construct(user_id=5), "data.user_id: "),
    "a dictionary": ({"user_id": "1"}, "event: must be a payload of the catalog or an Envelope, got a dict"),
    "a class": (UserSignedUp, "event: must be a payload of the catalog or an Envelope, got a ModelMetaclass"),
    "a payload without a type": (Typeless(), "event: must be a payload of the catalog"),
    "an envelope without data": (Envelope(id="1", source="/s", type="user.signed_up"), "data.user_id: field required"),
}


@pytest.mark.parametrize(("event", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_valid_raises_before_a_connection_is_made(event: Payload, message: str) -> None:
    publisher = Publisher(NOWHERE)
    for publish in (publisher.publish, lambda each: publisher.publish_many([GOOD, each])):
        with pytest.raises(InvalidEvent) as caught:
            publish(event)
        assert message in str(caught.value)


def test_unknown_types_and_versions_have_errors_of_their_own() -> None:
    with pytest.raises(UnknownEventType):
        Publisher(NOWHERE).publish(Unknown())
    with pytest.raises(UnknownSchemaVersion):
        Publisher(NOWHERE).publish(GOOD.model_copy(update={"dataschema": "urn:millrace:user.signed_up:9"}))


def test_an_id_that_the_broker_cannot_carry_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="id: "):
        Publisher(NOWHERE).publish(UserSignedUp(user_id="1"), id="\U0001f600" * 100)


@pytest.mark.parametrize(("given", "field"), [({"id": "2"}, "id"), ({"partition_key": "k"}, "partitionkey")])
def test_an_envelope_keeps_its_own_attributes(given: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidEvent, match=f"{field}: must be the envelope's own"):
        Publisher(NOWHERE).publish(GOOD, **given)


def test_an_envelopes_own_id_may_be_given_again() -> None:
    assert checked_envelope(GOOD, CATALOG, source="/x", id="1") is GOOD


@pytest.mark.parametrize(
    ("url", "source"),
    [
        (NOWHERE, "/web"),
        ("amqp://millrace-dev.service.a%2Fb:x@h/v", "/millrace-dev.service.a/b"),
        ("amqp://h/v", "/anonymous"),
    ],
)
def test_the_source_is_the_users_name_unless_given(url: str, source: str) -> None:
    assert Publisher(url).source == source
    assert Publisher(url, source="urn:shop").source == "urn:shop"


def test_publishing_nothing_needs_no_broker() -> None:
    assert Publisher(NOWHERE).publish_many([]) == []


def test_a_wrong_url_is_told_when_the_publisher_is_made() -> None:
    with pytest.raises(ValueError, match="broker URL must be amqp"):
        Publisher("http://web:secret@127.0.0.1/test")
