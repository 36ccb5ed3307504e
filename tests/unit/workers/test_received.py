"""Messages as they come: accepted, or refused with a field and a reason; never anything else."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from millrace.catalog import CATALOG
from millrace.envelope import Envelope
from millrace.errors import InvalidEvent
from millrace.events import UserSignedUp

from workers.filing import accepted_row, letter_row
from workers.received import CELERY_SOURCE, PLAIN_SOURCE, Delivery, celery_request, receive, trusted_users

TRUSTED = trusted_users(CATALOG, "v")
OFFICE = "v.service.backoffice"
EMBED: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def delivery(body: bytes | str, headers: dict[str, Any] | None = None, **properties: Any) -> Delivery:
    """A message with a JSON body."""
    raw = body.encode() if isinstance(body, str) else body
    return Delivery(body=raw, content_type="application/json", headers=headers or {}, properties=properties)


def native(fields: dict[str, Any], **headers: Any) -> Delivery:
    """Celery's own message from a trusted user."""
    body = json.dumps([[], fields, EMBED])
    return delivery(body, {"task": "user.signed_up", "id": "n-1", **headers}, user_id=OFFICE)


def test_trusted_users_are_celery_services_and_groups() -> None:
    """A service that was not declared with `celery` is not among them."""
    assert OFFICE in TRUSTED
    assert "v.group.signup" in TRUSTED
    assert "v.service.web" not in TRUSTED


def test_cloud_event() -> None:
    """The envelope as it came, and the payload."""
    sealed = Envelope(id="1", source="/s", type="user.signed_up", data={"userId": "u"})
    got = receive(delivery(sealed.to_bytes(), {"x-millrace-generation": 3}), CATALOG, TRUSTED)
    assert (got.envelope.id, got.payload, got.generation) == ("1", UserSignedUp(user_id="u"), 3)


def test_alias_becomes_the_type() -> None:
    """The task, the inbox and Flower know one name."""
    sealed = Envelope(id="1", source="/s", type="USER_SIGNUP", data={"user_id": "u"})
    assert receive(delivery(sealed.to_bytes()), CATALOG, TRUSTED).envelope.type == "user.signed_up"


def test_plain_shape_has_a_trusted_source() -> None:
    """The id is the message's; the source is ours."""
    got = receive(delivery('{"eventType": "USER_SIGNUP", "userId": "1"}', message_id="m"), CATALOG, TRUSTED)
    assert (got.envelope.source, got.envelope.id, got.envelope.type) == (PLAIN_SOURCE, "m", "user.signed_up")


def test_native_message() -> None:
    """The task id is the event's; keyword arguments are the payload."""
    got = receive(native({"user_id": "1"}), CATALOG, TRUSTED)
    assert (got.envelope.source, got.envelope.id, got.payload) == (CELERY_SOURCE, "n-1", UserSignedUp(user_id="1"))


def test_native_message_of_a_stranger() -> None:
    """Who sent it is what the broker vouches for, not what the message says."""
    stranger = delivery(native({"user_id": "1"}).body, {"task": "user.signed_up", "id": "1", "user_id": OFFICE})
    with pytest.raises(InvalidEvent, match="trusted users"):
        receive(stranger, CATALOG, TRUSTED)


def test_expired_and_due_times() -> None:
    """A passed `expires` is refused; an `eta` is kept."""
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    later = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(InvalidEvent, match="expired"):
        receive(native({"user_id": "1"}, expires=past), CATALOG, TRUSTED)
    delayed = native({"user_id": "1"}, expires=later.isoformat(), eta=later.isoformat())
    assert receive(delayed, CATALOG, TRUSTED).eta == later
    with pytest.raises(InvalidEvent, match="within eight years"):
        receive(native({"user_id": "1"}, eta="5083-09-29T12:13:35+00:00"), CATALOG, TRUSTED)


def test_what_celery_sees_shows_no_payload() -> None:
    """Flower shows the event's id, and the type as the task's name."""
    got = receive(native({"user_id": "secret"}), CATALOG, TRUSTED)
    headers, body = celery_request(got, "signup", begun=False)
    assert headers["id"] == "n-1@signup"
    assert headers["task"] == "user.signed_up"
    assert "secret" not in json.dumps(headers)
    [envelope, generation, begun], kwargs, _ = json.loads(body)
    assert Envelope.from_bytes(envelope.encode()) == got.envelope
    assert (generation, begun, kwargs) == (0, False, {})


#: NUL and lone surrogates, which AMQP carries and databases do not, among them.
ANY_TEXT = st.text(st.characters() | st.sampled_from("\x00\ud800"), max_size=10)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["task", "id", "eta", "expires", "timelimit", "retries", "x-millrace-generation", "x-death"])
BODIES = st.binary(max_size=200) | ANY_JSON.map(lambda value: json.dumps(value).encode())


@given(
    body=BODIES,
    headers=st.dictionaries(NAMES, ANY_JSON | st.binary(max_size=5) | st.datetimes(), max_size=4),
    properties=st.dictionaries(st.sampled_from(["message_id", "user_id"]), ANY_JSON | st.just(OFFICE), max_size=2),
    content_type=st.none() | st.sampled_from(["application/json", "application/cloudevents+json", "text/plain"]),
)
def test_anything_is_accepted_or_refused_and_filed(
    body: bytes, headers: dict[str, Any], properties: dict[str, Any], content_type: str | None
) -> None:
    """No message raises anything but InvalidEvent, and each can become a letter that a database can hold."""
    came = Delivery(body=body, content_type=content_type, headers=headers, properties=properties)
    try:
        receive(came, CATALOG, TRUSTED)
    except InvalidEvent as error:
        assert error.field  # noqa: PT017 (not every message is refused)
    row = letter_row("dead.signup", "group.signup", came, CATALOG, TRUSTED)
    assert row["body"] == body
    assert 0 <= row["generation"] < 2**31
    stored = json.dumps(row["headers"], ensure_ascii=False, allow_nan=False)
    assert stored.encode()
    assert "\\u0000" not in json.dumps(row["headers"])
    texts = [row[name] for name in ("source", "event_id", "type", "cause", "error", "worker") if row[name] is not None]
    assert all(isinstance(text, str) and "\x00" not in text and text.encode() for text in texts)
    accepted_row("user.signed_up", came, CATALOG)
