"""The publisher when the line or the broker fails: bounded, never wrong about a message, and well again afterwards."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from amqp import spec
from amqp.serialization import dumps
from millrace import Envelope, names, seal
from millrace.derived import sending_bound
from millrace.errors import BrokerUnreachable, ConfirmTimeout, NotAllPublished, Refused
from millrace.events import AccountCreated, UserSignedUp
from millrace.publishing import Publisher
from millrace.publishing.addresses import connect_broker
from millrace.publishing.connection import BURST, WINDOW, ConfirmedConnection
from millrace.publishing.message import event_message
from millrace.publishing.wire import METHOD, Frame, signature

from operations.faults.proxy import Proxy
from operations.local.ports import free_ports
from tests.integration.millrace.stack import Stack, wait_until

TIMEOUT = 0.5
#: And two seconds more, on a loaded machine.
BOUND = sending_bound(TIMEOUT) + 2
PASSWORD = "hunter2"
EVENT = UserSignedUp(user_id="1")


@pytest.fixture
def proxy(stack: Stack) -> Iterator[Proxy]:
    with Proxy(stack.broker.amqp_host, stack.broker.amqp_port) as one:
        yield one


@pytest.fixture
def publisher(stack: Stack, proxy: Proxy) -> Iterator[Publisher]:
    """A publisher by way of the proxy, connected and with little patience."""
    with Publisher(stack.service_url(port=proxy.port), timeout=TIMEOUT) as one:
        one.publish(AccountCreated(account_id="0", user_id="0"))
        yield one


def publish_works_again(stack: Stack, publisher: Publisher) -> None:
    publisher.publish(EVENT, id="after")
    assert "after" in [event.id for event in stack.taken("signup", 1)]


def test_a_late_confirm_is_never_taken_for_another_message(stack: Stack, proxy: Proxy, publisher: Publisher) -> None:
    with stack.full_queue("user.signed_up", room=1):
        proxy.hold(up=False)
        with pytest.raises(ConfirmTimeout, match=r"no confirm from the broker within 0\.5 s"):
            publisher.publish(EVENT, id="held")
        assert [event.id for event in stack.taken("signup", 1)] == ["held"]
        proxy.let_pass()
        with pytest.raises(Refused):
            publisher.publish(EVENT, id="refused")


def ack(tag: int, *, multiple: bool) -> Frame:
    """The broker's confirm of a publish."""
    return METHOD, 1, signature(spec.Basic.Ack) + dumps("Lb", (tag, multiple))


def test_confirms_are_matched_to_the_messages_they_are_for(stack: Stack) -> None:
    connection = ConfirmedConnection(stack.service_url(), 10)
    first, second = (event_message(seal(EVENT, source="/test", id=each)) for each in ("first", "second"))
    with stack.full_queue("user.signed_up", room=1):
        assert connection.send([first]) == [None]
        stale_tag = 1
        connection._take(ack(stale_tag, multiple=False))
        results = connection.send([second])
        connection._take(ack(stale_tag, multiple=True))
    assert [type(result) for result in results] == [Refused]
    connection.close()


def test_many_are_on_their_way_before_the_first_confirm_but_no_more_than_the_window(
    stack: Stack, proxy: Proxy, publisher: Publisher
) -> None:
    events = [seal(EVENT, source="/test", id=str(n)) for n in range(2 * WINDOW * BURST)]
    proxy.hold(up=False)
    with pytest.raises(NotAllPublished) as caught:
        publisher.publish_many(events)
    assert {type(error) for error in caught.value.failed.values()} == {ConfirmTimeout}
    assert [each.id for each in stack.taken("signup", WINDOW * BURST)] == [str(n) for n in range(WINDOW * BURST)]
    assert stack.take("signup") is None
    proxy.let_pass()


@pytest.mark.parametrize("size", [1, 60_000], ids=["small events", "events that fill the line"])
def test_a_black_hole_is_noticed_in_bounded_time(stack: Stack, proxy: Proxy, publisher: Publisher, size: int) -> None:
    events = [Envelope(id=str(n), source="/test", type="user.signed_up", data={"user_id": "1"}) for n in range(500)]
    events = [Envelope.from_fields({**each.model_dump(), "padding": "x" * size}) for each in events]
    proxy.hold()
    start = time.monotonic()
    with pytest.raises(NotAllPublished) as caught:
        publisher.publish_many(events)
    assert time.monotonic() - start < BOUND
    assert set(caught.value.failed) == {each.id for each in events}
    kinds = {type(error) for error in caught.value.failed.values()}
    # Where the line is full the system may give the connection up first; then a new one is tried.
    assert kinds == {ConfirmTimeout} or (size > 1 and kinds == {BrokerUnreachable})
    proxy.let_pass()
    publish_works_again(stack, publisher)


def test_a_broker_that_accepts_but_does_not_answer_is_unreachable_in_bounded_time(stack: Stack, proxy: Proxy) -> None:
    proxy.hold()
    with Publisher(stack.service_url(port=proxy.port), timeout=TIMEOUT) as publisher:
        start = time.monotonic()
        with pytest.raises(BrokerUnreachable, match="no connection to the broker"):
            publisher.publish(EVENT)
        assert time.monotonic() - start < BOUND
        proxy.let_pass()
        publish_works_again(stack, publisher)


def test_another_address_is_tried_when_one_is_silent_or_refuses(stack: Stack, proxy: Proxy) -> None:
    with Proxy("127.0.0.1", proxy.port) as gone:
        gone.refuse()
        proxy.hold()
        urls = [stack.service_url(port=port) for port in (gone.port, proxy.port, stack.broker.amqp_port)]
        with Publisher(";".join(urls), timeout=TIMEOUT) as publisher:
            start = time.monotonic()
            publish_works_again(stack, publisher)
            assert time.monotonic() - start < BOUND
        with connect_broker(";".join(urls), connect_timeout=TIMEOUT) as connection:
            assert connection.connected
        with pytest.raises(BrokerUnreachable, match="no connection to the broker"):
            connect_broker(";".join(urls[:2]), connect_timeout=TIMEOUT)


def test_a_line_cut_while_idle_costs_nothing(stack: Stack, proxy: Proxy, publisher: Publisher) -> None:
    proxy.cut()
    publish_works_again(stack, publisher)


def test_a_connection_that_the_broker_closed_while_idle_costs_nothing(stack: Stack, publisher: Publisher) -> None:
    user = names.service_user(stack.vhost, "web")
    wait_until(lambda: stack.connections(user) != [], "the broker must show the connection")
    for name in stack.connections(user):
        stack.client.delete(f"/api/connections/{name}")
    publish_works_again(stack, publisher)


def test_a_line_cut_in_the_middle_of_many_loses_none(stack: Stack, proxy: Proxy, publisher: Publisher) -> None:
    events = [seal(UserSignedUp(user_id=str(n)), source="/test", id=str(n)) for n in range(2_000)]
    before = proxy.accepted
    proxy.cut_after(100_000)
    assert publisher.publish_many(events) == [each.id for each in events]
    assert proxy.accepted == before + 1
    arrived = {event.id for event in stack.taken("signup", len(events))}
    assert arrived == {each.id for each in events}


def test_a_wrong_password_is_told_without_the_password(stack: Stack) -> None:
    url = stack.service_url().replace(stack.passwords[names.service_user(stack.vhost, "web")], PASSWORD)
    with pytest.raises(BrokerUnreachable, match="ACCESS_REFUSED") as caught:
        Publisher(url).publish(EVENT)
    assert PASSWORD not in repr((caught.value, caught.value.__cause__))


def test_a_wrong_port_is_told_without_the_password() -> None:
    with pytest.raises(BrokerUnreachable, match="Connection refused") as caught:
        Publisher(f"amqp://web:{PASSWORD}@127.0.0.1:{free_ports(1)[0]}/dev").publish(EVENT)
    assert PASSWORD not in repr((caught.value, caught.value.__cause__))


def test_a_vhost_that_is_not_there_is_told(stack: Stack) -> None:
    with pytest.raises(BrokerUnreachable, match="NOT_ALLOWED"):
        Publisher(f"{stack.service_url()}-of-nobody").publish(EVENT)


def test_what_interrupts_a_publish_leaves_no_half_used_connection(
    stack: Stack, proxy: Proxy, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = proxy.accepted
    with monkeypatch.context() as patch:
        patch.setattr(ConfirmedConnection, "_send_burst", interrupted)
        with pytest.raises(KeyboardInterrupt):
            publisher.publish(EVENT)
    publish_works_again(stack, publisher)
    assert proxy.accepted == before + 1


FORKING = """
import os, sys
from millrace.events import UserSignedUp
from millrace.publishing import Publisher
publisher = Publisher(sys.stdin.readline().strip())
def publish(name):
    for n in range(20):
        publisher.publish(UserSignedUp(user_id="1"), id=f"{name}-{n}")
publish("before")
child = os.fork()
publish("child" if child == 0 else "parent")
if child == 0:
    publisher.close()
    sys.exit()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
publish("after")
publisher.close()
"""


def test_after_a_fork_parent_and_child_both_publish(stack: Stack, proxy: Proxy) -> None:
    url = stack.service_url(port=proxy.port)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKING],
        input=url,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    expected = {f"{name}-{n}" for name in ("before", "child", "parent", "after") for n in range(20)}
    arrived = [event.id for event in stack.taken("signup", len(expected))]
    assert sorted(arrived) == sorted(expected)
    connections_of_parent_and_child = 2
    assert proxy.accepted == connections_of_parent_and_child
