"""The guard on a real queue: bad messages among good ones."""

import json
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import amqp
import pytest
from millrace import names
from millrace.publishing.connection import broker_options
from sqlalchemy import select

from tests.integration.workers.shapes import BODY, EVENTS, NATIVE, PLAIN, Shape, task
from tests.integration.workers.stack import Stack, until
from workers.tables import letters


@pytest.fixture(scope="module", autouse=True)
def _running(stack: Stack) -> None:
    stack.start_worker("ledger")
    stack.start_keeper()
    stack.consuming("ledger")


def put(url: str, shape: Shape, exchange: str, key: str, **properties: Any) -> None:
    """Publish a message just as it is."""
    encoding = {"content_encoding": shape.encoding} if shape.encoding else {}
    content = {"content_type": shape.content_type} if shape.content_type else {}
    message = amqp.Message(
        shape.body, application_headers=shape.headers, delivery_mode=2, **content, **encoding, **properties
    )
    with amqp.Connection(**broker_options(url), confirm_publish=True) as connection:
        connection.channel().basic_publish(message, exchange, key, mandatory=True)


def good(stack: Stack, id_: str) -> None:
    """Publish a good event behind the bad one, to the same queue."""
    event = {"specversion": "1.0", "id": id_, "source": "/g", "type": "order.placed", "data": {"orderId": id_}}
    shape = Shape(id_, "", json.dumps(event), {}, EVENTS)
    put(stack.broker.amqp_url(stack.vhost), shape, "", names.group_queue("ledger"))


@pytest.fixture(scope="module")
def _all_sent(stack: Stack, _running: None) -> None:
    """Every bad message is sent, each with a good one behind it, before the first is looked at."""
    with stack.broker.management() as client:
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        client.put(f"/api/permissions/{stack.vhost}/{stack.broker.admin_user}", json=everything).raise_for_status()
    office = stack.url("service.office")
    user = f"{stack.vhost}.service.office"
    for number, shape in enumerate(NATIVE):
        put(office, shape, names.GROUPS, names.group_key("ledger"), user_id=user)
        good(stack, f"good-native-{number}")
    for number, shape in enumerate(PLAIN):
        put(stack.broker.amqp_url(stack.vhost), shape, "", names.group_queue("ledger"))
        good(stack, f"good-plain-{number}")
    count = len(NATIVE) + len(PLAIN)
    until(lambda: stack.count("ledger") == (count, count), seconds=60, what="the good events' effects")
    until(lambda: len(stack.letters()) == count, seconds=30, what="a letter for each bad message")


@pytest.mark.usefixtures("_all_sent")
@pytest.mark.parametrize("shape", [*NATIVE, *PLAIN], ids=lambda shape: shape.name)
def test_bad_message_is_a_dead_letter_with_its_reason_and_bytes(stack: Stack, shape: Shape) -> None:
    """One letter per bad message, in its order: field, bytes and content type as they came."""
    stored = stack.letters()[[*NATIVE, *PLAIN].index(shape)]
    assert stored.error.split(": ")[0] == shape.field
    assert stored.body == (shape.body if isinstance(shape.body, bytes) else shape.body.encode())
    causes = {"expires": "expired", "dataschema": "unknown dataschema"}
    assert stored.cause == causes.get(shape.field, "invalid")
    assert stored.group_name == "ledger"


@pytest.mark.usefixtures("_all_sent")
def test_no_worker_exits(stack: Stack) -> None:
    """The worker that took all that is the one that was started."""
    assert stack.processes["ledger"].poll() is None
    assert stack.consumers("ledger") == 1


@pytest.mark.usefixtures("_all_sent")
def test_an_eta_to_come_waits_in_the_broker(stack: Stack) -> None:
    """A native message with an `eta` is not held by the worker; it comes when it is due."""
    eta = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    shape = Shape("eta", "", BODY, task(id="later", eta=eta))
    user = f"{stack.vhost}.service.office"
    put(stack.url("service.office"), shape, names.GROUPS, names.group_key("ledger"), user_id=user)
    until(lambda: stack.outcome("ledger", "later") == "processed", what="the delayed event")
    effect = stack.effects("ledger", "native")[-1]
    due = datetime.fromisoformat(eta).timestamp()
    assert -1 <= effect.at - due <= 2


class RawProperties(amqp.Message):  # type: ignore[misc]
    """A message whose properties are sent as bytes, whatever they mean."""

    raw: bytes = b""

    def _serialize_properties(self) -> bytes:
        return self.raw


#: A header of AMQP's type timestamp in milliseconds; a content type that is not UTF-8 (AMQP 0-9-1, 2.3.5.2).
UNDECODABLE = {
    "milliseconds": b"\x20\x00" + struct.pack(">I", 14) + b"\x04when" + b"T" + struct.pack(">Q", 1_763_000_000_000),
    "not UTF-8": b"\x80\x00" + b"\x02\xff\xfe",
}


@pytest.mark.usefixtures("_all_sent")
@pytest.mark.parametrize("name", UNDECODABLE)
def test_properties_that_cannot_be_decoded(stack: Stack, name: str) -> None:
    """They stop neither the worker nor the keeper, which meets them in the log of accepted events too."""
    body = b'{"what": "' + name.encode() + b'"}'
    message = RawProperties(body)
    message.raw = UNDECODABLE[name]
    with amqp.Connection(**broker_options(stack.url("service.office")), confirm_publish=True) as connection:
        connection.channel().basic_publish(message, names.IN, "order.placed", mandatory=True)
    found = until(lambda: [row for row in stack.letters() if row.body == body], what="its letter")
    assert found[0].error == "properties: cannot be decoded"
    good(stack, f"good-after-{name}")
    until(lambda: stack.outcome("ledger", f"good-after-{name}") == "processed", what="the good one behind it")
    assert stack.processes["ledger"].poll() is None


def test_letters_are_not_changed_by_reading(stack: Stack) -> None:
    """Looking, however often, loses and reorders nothing."""
    query = select(letters.c.id, letters.c.state).order_by(letters.c.id)
    before = stack.rows(query)
    for _ in range(50):
        stack.letters()
    assert stack.rows(query) == before
