"""An old and a new release side by side: what only one knows waits for it, and nothing is guessed."""

import json
import uuid
from collections.abc import Iterator

import amqp
import pytest
from millrace import names
from millrace.declarations import Catalog, Payload
from millrace.derived import ROLLOUT_WAITS
from millrace.publishing import Publisher
from millrace.publishing.connection import broker_options

from tests.integration.workers.rollouts.catalogs import (
    NEW,
    OLD,
    Ordered,
    OrderedWithMilk,
    Spilled,
)
from tests.integration.workers.stack import Stack, prepare_store, until
from tests.real_servers import Broker
from workers.newer import WAITS_HEADER

pytestmark = pytest.mark.long

HERE = "tests.integration.workers.rollouts"
NOBODYS = names.dataschema("tea.ordered", 3)


@pytest.fixture(scope="module")
def stack(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The new release's topology, with a worker of the old release."""
    directory = tmp_path_factory.mktemp("stack")
    one = Stack(broker, f"sqlite:///{directory / 'millrace.db'}", directory, f"r{uuid.uuid4().hex[:8]}")
    prepare_store(one.database_url)
    one.up(OLD)
    one.up(NEW)
    try:
        start(one, "old")
        one.consuming("kitchen")
        yield one
    finally:
        one.stop()
        one.destroy()


def start(stack: Stack, release: str) -> None:
    """Start a worker of a release."""
    where = {"MILLRACE_CATALOG": f"{HERE}.catalogs:{release.upper()}", "MILLRACE_HANDLERS": f"{HERE}.{release}"}
    stack.start(release, "group.kitchen", f"{HERE}.hasty_worker", "kitchen", **where)


def publish(stack: Stack, catalog: Catalog, *payloads: Payload) -> None:
    """Publish as a service of that release."""
    with Publisher(stack.url("service.web"), source="/web", catalog=catalog) as publisher:
        for payload in payloads:
            publisher.publish(payload, id=payload.name)  # type: ignore[attr-defined]


def test_each_event_waits_for_the_release_that_knows_it(stack: Stack) -> None:
    publish(stack, NEW, OrderedWithMilk(name="milk", milk=True), Spilled(name="spilled"))
    until(lambda: stack.log("old").count("waiting for another release") >= 2, what="both to wait")
    publish(stack, OLD, Ordered(name="plain"))
    until(lambda: stack.outcome("kitchen", "plain") == "processed", what="the old release's")
    assert stack.outcome("kitchen", "milk") is None
    start(stack, "new")
    for name in ("milk", "spilled"):
        until(lambda name=name: stack.outcome("kitchen", name) == "processed", what=name)  # type: ignore[misc]
    whose = {name: [who for who in ("old", "new") if stack.effects(who, name)] for name in ("plain", "milk", "spilled")}
    assert whose == {"plain": ["old"], "milk": ["new"], "spilled": ["new"]}
    assert stack.messages("dead.kitchen") == 0


def put(stack: Stack, user: str, exchange: str, key: str, id_: str, waited: int) -> None:
    """Publish an event of a version that no release has, which says how often it has waited."""
    event = {"specversion": "1.0", "id": id_, "source": "/w", "type": "tea.ordered", "dataschema": NOBODYS}
    message = amqp.Message(json.dumps(event), application_headers={WAITS_HEADER: waited}, delivery_mode=2)
    with amqp.Connection(**broker_options(stack.url(user)), confirm_publish=True) as connection:
        connection.channel().basic_publish(message, exchange, key, mandatory=True)


def waiting(stack: Stack) -> int:
    """How many messages workers have sent to wait."""
    return sum(stack.log(name).count("waiting for another release") for name in stack.processes)


def test_what_no_release_knows_is_a_dead_letter_in_the_end(stack: Stack) -> None:
    before = waiting(stack)
    put(stack, "relay", names.GROUPS, names.group_key("kitchen"), "nobody's", ROLLOUT_WAITS - 1)
    until(lambda: waiting(stack) == before + 1, what="it to wait")
    until(lambda: stack.messages("dead.kitchen") == 1, what="its dead letter")
    with stack.broker.management() as client:
        asked = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        client.put(f"/api/permissions/{stack.vhost}/{stack.broker.admin_user}", json=everything).raise_for_status()
        (letter,) = client.post(f"/api/queues/{stack.vhost}/dead.kitchen/get", json=asked).json()
    assert letter["properties"]["headers"]["x-millrace-cause"] == "unknown dataschema"
    assert NOBODYS in letter["payload"]
    assert stack.outcome("kitchen", "nobody's") is None


def test_who_publishes_cannot_say_how_long_it_has_waited(stack: Stack) -> None:
    before = waiting(stack)
    put(stack, "service.web", names.IN, "tea.ordered", "sly", ROLLOUT_WAITS)
    until(lambda: waiting(stack) > before, what="it to wait")
