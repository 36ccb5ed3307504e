"""What a group's, a service's and Millrace's own users may not do, tried at the broker."""

from collections.abc import Callable

import amqp
import pytest
from millrace import names
from millrace.publishing.connection import broker_options

from tests.integration.workers.stack import Stack

Act = Callable[[amqp.Channel], object]


def publish(exchange: str, key: str) -> Act:
    """Publish and wait for the broker's answer."""
    return lambda channel: channel.basic_publish(amqp.Message(b"{}"), exchange, key)


DELAYED = names.delayed_key(1, names.group_key("flaky"))
DENIED: list[tuple[str, str, Act]] = [
    ("group.ledger", "read another group's queue", lambda c: c.basic_get("flaky")),
    ("group.ledger", "consume another group's queue", lambda c: c.basic_consume("flaky")),
    ("group.ledger", "read the dead letters", lambda c: c.basic_get("dead.ledger")),
    ("group.ledger", "declare a queue", lambda c: c.queue_declare("mine", durable=True)),
    ("group.ledger", "declare an exchange", lambda c: c.exchange_declare("mine", "topic")),
    ("group.ledger", "delete its queue", lambda c: c.queue_delete("ledger")),
    ("group.ledger", "bind its queue", lambda c: c.queue_bind("ledger", names.EVENTS, "order.shipped")),
    ("group.ledger", "unbind its queue", lambda c: c.queue_unbind("ledger", names.EVENTS, "order.placed")),
    ("group.ledger", "publish events", publish(names.IN, "order.placed")),
    ("group.ledger", "publish past the door", publish(names.EVENTS, "order.placed")),
    ("group.ledger", "publish to a queue", publish("", "flaky")),
    ("group.ledger", "send to a group", publish(names.GROUPS, names.group_key("flaky"))),
    ("group.ledger", "delay to another group", publish(names.DELAY, DELAYED)),
    ("group.ledger", "bury in another group's name", publish(names.DEAD, names.group_key("flaky"))),
    ("service.web", "read a queue", lambda c: c.basic_get("ledger")),
    ("service.web", "publish past the door", publish(names.EVENTS, "order.placed")),
    ("service.web", "send to a group", publish(names.GROUPS, names.group_key("ledger"))),
    ("service.web", "declare a queue", lambda c: c.queue_declare("mine", durable=True)),
    ("relay", "read a queue", lambda c: c.basic_get("ledger")),
    ("keeper", "publish", publish(names.EVENTS, "order.placed")),
    ("keeper", "read a group's queue", lambda c: c.basic_get("ledger")),
    ("monitor", "read a queue", lambda c: c.basic_get("ledger")),
    ("flower", "read a queue", lambda c: c.basic_get("ledger")),
    ("flower", "publish events", publish(names.IN, "order.placed")),
]


@pytest.mark.parametrize(("user", "act"), [pytest.param(user, act, id=f"{user}: {what}") for user, what, act in DENIED])
def test_denied(stack: Stack, user: str, act: Act) -> None:
    """The broker refuses with 403."""
    connection = amqp.Connection(**broker_options(stack.url(user)), confirm_publish=True)
    connection.connect()
    try:
        with pytest.raises(amqp.exceptions.AccessRefused):
            act(connection.channel())
    finally:
        connection.close()


def test_allowed(stack: Stack) -> None:
    """A group's user may do just what its work needs."""
    connection = amqp.Connection(**broker_options(stack.url("group.ledger")), confirm_publish=True)
    connection.connect()
    channel = connection.channel()
    publish(names.DEAD, names.group_key("ledger"))(channel)
    publish(names.DELAY, names.delayed_key(1, names.group_key("ledger")))(channel)
    channel.basic_get("ledger")
    connection.close()
