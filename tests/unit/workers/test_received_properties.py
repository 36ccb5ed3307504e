"""The guard, whatever comes: each message goes to Celery, which can take it, or is settled by another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import amqp
import pytest
from celery import Celery
from celery.worker.request import Request
from hypothesis import given
from kombu.transport.pyamqp import Message as IncomingMessage
from millrace.envelope import Envelope, fingerprint, open_payload
from millrace.errors import InvalidEvent
from millrace.publishing.message import Message

from tests.strategies import CATALOG, DELIVERIES, OFFICE, TRUSTED, Free, encoded
from workers import guard
from workers.received import Delivery, Received, celery_request, receive
from workers.runtime import Runtime

APP = Celery(set_as_current=False)


def run(_envelope: str, _generation: int, _begun: bool) -> None:
    """What Celery would run."""


TASK = APP.task(name="any.thing", shared=False)(run)


@dataclass
class Sent:
    """Stands for the sender: keeps what is sent, once it is bytes as AMQP has them."""

    messages: list[Message] = field(default_factory=list)

    def send_one(self, message: Message) -> None:
        """Raises what py-amqp raises when it cannot say it."""
        headers = dict(message.headers)
        amqp.Message(message.body, message_id=message.message_id, application_headers=headers)._serialize_properties()
        assert len(message.routing_key.encode()) <= 255
        assert len(message.content_type.encode()) <= 255
        self.messages.append(message)


@dataclass
class Channel:
    """Stands for the channel: keeps what was settled."""

    settled: list[str] = field(default_factory=list)
    no_ack_consumers: frozenset[str] = frozenset()

    def basic_ack(self, _tag: int, **_how: bool) -> None:
        """As in AMQP."""
        self.settled.append("ack")

    def basic_reject(self, _tag: int, **_how: bool) -> None:
        """As in AMQP."""
        self.settled.append("reject")

    def message_to_python(self, raw: Any) -> Any:
        """As kombu's channel."""
        return raw


def took(came: Delivery) -> Received | None:
    """What was accepted, or None where it was refused with a field and a reason."""
    try:
        return receive(came, CATALOG, TRUSTED)
    except InvalidEvent as error:
        reason = (error.field, error.problem)
    assert all(reason)
    return None


def test_the_cases_hold_what_is_accepted_and_what_is_refused() -> None:
    """Else the properties would say nothing: every shape is accepted in some cases."""
    seen: set[str] = set()

    @given(came=DELIVERIES)
    def look(came: Delivery) -> None:
        received = took(came)
        seen.add("refused" if received is None else received.envelope.source)

    look()
    assert {"refused", "/s", "/celery", "/plain"} <= seen


@given(came=DELIVERIES)
def test_any_message_is_accepted_or_refused(came: Delivery) -> None:
    """What is accepted can be written, read again in the pool, and told from another payload."""
    received = took(came)
    if received is None:
        return
    again = Envelope.from_bytes(received.envelope.to_bytes())
    assert again == received.envelope
    assert fingerprint(open_payload(again, CATALOG)) == fingerprint(received.payload)


@given(came=DELIVERIES)
def test_celery_takes_what_was_accepted(came: Delivery) -> None:
    """Celery's own request reads the headers and the body that it is given."""
    received = took(came)
    if received is None:
        return
    headers, body = celery_request(received, "g", begun=False)
    message = incoming(came, headers=headers, body=body)
    request = Request(message, app=APP, task=TASK, hostname="h", eventer=None, connection_errors=(), utc=True)
    assert request.id == headers["id"]
    [envelope, generation, begun], kwargs, _embed = request.message.payload
    assert Envelope.from_bytes(envelope.encode()) == received.envelope
    assert (generation, begun, kwargs) == (received.generation, False, {})
    assert request.eta is None
    assert request.expires is None


@pytest.fixture(scope="module", autouse=True)
def _silence() -> Iterator[None]:
    """A line for each refusal is much, of so many."""
    with mock.patch.object(guard, "log"):
        yield


@given(came=DELIVERIES)
def test_each_message_is_passed_on_or_settled_once(came: Delivery) -> None:
    """Never both, never neither; a message that is refused goes to the dead letters, its bytes as they were."""
    sent, channel = Sent(), Channel()
    message = incoming(came, channel=channel)
    settings = SimpleNamespace(vhost="v")
    runtime = cast(Runtime, SimpleNamespace(catalog=CATALOG, group=CATALOG.groups[0], settings=settings, sender=sent))
    if guard.Guard(runtime, lambda: None).admit(message):
        assert (channel.settled, sent.messages) == ([], [])
        assert json.loads(message.body)[0][0]
        return
    assert channel.settled == ["ack"]
    [instead] = sent.messages
    assert instead.exchange in ("dead", "delay") or instead.routing_key
    if took(came) is None:
        assert instead.body == came.body


def test_an_event_that_only_just_fits_in_its_own_shape_is_refused() -> None:
    """As an envelope it would be larger than the pool, a delay and a letter take: found out here, not there."""
    properties = {"user_id": OFFICE, "message_id": "m"}
    native = encoded([[], {"text": "x" * 65_400}, {}])
    plain = encoded({"eventType": "any.thing", "text": "x" * 65_400})
    event = Envelope(id="1", source="/s", type="any.thing").model_dump(exclude_none=True)
    floats = json.dumps({**event, "data": {"shares": [0]}}).replace("[0]", f"[{','.join(['1e15'] * 13_000)}]").encode()
    for body, headers in ((native, {"task": "any.thing", "id": "1"}), (plain, {}), (floats, {})):
        came = Delivery(body=body, content_type="application/json", headers=headers, properties=properties)
        with pytest.raises(InvalidEvent, match="must be at most 65536 bytes"):
            receive(came, CATALOG, TRUSTED)


def incoming(
    came: Delivery,
    *,
    headers: dict[str, Any] | None = None,
    body: bytes | None = None,
    channel: Channel | None = None,
) -> IncomingMessage:
    """The message as kombu hands it on."""
    raw = amqp.Message(came.body if body is None else body)
    raw.properties = {**came.properties, "application_headers": came.headers if headers is None else headers}
    raw.properties["content_type"] = came.content_type if body is None else "application/json"
    raw.properties["content_encoding"] = "utf-8"
    raw.delivery_info = {"delivery_tag": 1, "exchange": came.exchange, "routing_key": "any.thing"}
    message = IncomingMessage(raw, channel=channel or Channel())
    if body is None:
        assert guard.delivery_of(message) == came._replace(properties=message.properties)
    return message


def test_free_is_a_payload_of_any_json() -> None:
    """What the cases draw is what the payload takes."""
    assert Free.model_validate({"rest": {"a": [None, True, {"b": 1e300}]}}).rest == {"a": [None, True, {"b": 1e300}]}
