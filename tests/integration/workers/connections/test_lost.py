"""A worker whose line is cut, silent or gone: noticed in bounded time, well again soon, nothing done twice."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from operations.faults.proxy import Proxy
from tests.integration.workers.connections.calls import answered, call, start
from tests.integration.workers.connections.hasty_worker import SILENCE_SECONDS, STUCK_SECONDS
from tests.integration.workers.stack import Stack, until

pytestmark = pytest.mark.long

#: `MILLRACE_TEST_RECONNECTS=50` is the full run.
RECONNECTS = int(os.environ.get("MILLRACE_TEST_RECONNECTS", "3"))
BACK_SECONDS = 30
CONCURRENCY = 2


@pytest.fixture(scope="module")
def proxy(stack: Stack) -> Iterator[Proxy]:
    """The line of desk's worker to the broker."""
    with Proxy(stack.broker.amqp_host, stack.broker.amqp_port) as one:
        yield one


@pytest.fixture(scope="module")
def other(stack: Stack) -> Iterator[Proxy]:
    """A second line, as to another node."""
    with Proxy(stack.broker.amqp_host, stack.broker.amqp_port) as one:
        one.refuse()
        yield one


@pytest.fixture(scope="module")
def desk(stack: Stack, proxy: Proxy, other: Proxy) -> Iterator[Stack]:
    """The stack with desk's worker behind the proxies; the first is out until a test lets it pass."""
    start(stack, "desk", other, proxy)
    stack.consuming("desk")
    assert proxy.accepted
    yield stack
    stack.stop()


def test_full_concurrency_is_back_after_each_lost_connection(desk: Stack, proxy: Proxy) -> None:
    """As many calls as the worker has processes, each of which ends only if all of them run at the same time."""
    took = []
    for number in range(RECONNECTS):
        before = proxy.accepted
        proxy.cut()
        names = [f"again{number}:{each}" for each in range(CONCURRENCY)]
        call(desk, *names, together=CONCURRENCY)
        took.append(answered(desk, "desk", *names, seconds=BACK_SECONDS))
        assert proxy.accepted > before, "the worker must have connected anew"
    print(f"full concurrency was back after at most {max(took):.1f} s, {RECONNECTS} times")
    assert all(len(desk.effects("desk", f"again{number}:0")) == 1 for number in range(RECONNECTS))


def test_full_concurrency_is_back_after_a_broker_that_was_gone(desk: Stack, proxy: Proxy) -> None:
    proxy.refuse()
    until(lambda: desk.log("desk").count("Connection refused") >= 2, what="two tries to connect")
    names = ["gone:1", "gone:2"]
    call(desk, *names, together=CONCURRENCY)
    proxy.let_pass()
    assert answered(desk, "desk", *names, seconds=BACK_SECONDS) < BACK_SECONDS


def test_work_whose_connection_was_cut_is_done_once(desk: Stack, proxy: Proxy) -> None:
    """The broker gives the event to another worker while the first still runs it."""
    call(desk, "cut", seconds=2)
    until((desk.directory / "desk-cut" / "cut").exists, what="the call's start")
    other = start(desk, "desk", name="desk-2")
    until(lambda: desk.consumers("desk") == 2, what="another worker")
    proxy.cut()
    assert other.poll() is None
    answered(desk, "desk", "cut")
    desk.end("desk-2")
    until(lambda: desk.messages("desk") == 0, what="the redelivered event's end")
    assert len(desk.effects("desk", "cut")) == 1


def test_a_silent_connection_is_noticed_and_its_work_done_once(desk: Stack, proxy: Proxy) -> None:
    call(desk, "silent", seconds=1)
    until((desk.directory / "desk-silent" / "silent").exists, what="the call's start")
    before = desk.log("desk").count("Connection to broker lost")
    proxy.hold()
    started = time.monotonic()
    until(lambda: desk.log("desk").count("Connection to broker lost") > before, what="the worker to notice")
    assert time.monotonic() - started < SILENCE_SECONDS + 2
    proxy.cut()
    proxy.let_pass()
    call(desk, "after")
    answered(desk, "desk", "silent", "after")
    until(lambda: desk.messages("desk") == 0, what="the redelivered event's end")
    assert len(desk.effects("desk", "silent")) == 1


def test_another_node_is_tried_and_no_password_logged(desk: Stack, proxy: Proxy, other: Proxy) -> None:
    assert other.accepted == 0
    other.let_pass()
    proxy.refuse()
    call(desk, "other")
    answered(desk, "desk", "other")
    assert other.accepted
    assert desk.passwords[f"{desk.vhost}.group.desk"] not in desk.log("desk")


def test_a_stopping_worker_is_not_taken_for_stuck(desk: Stack) -> None:
    """Its loop stands still, and it does not consume, while it ends what it has begun."""
    lasting = STUCK_SECONDS + 1
    call(desk, "last", seconds=lasting)
    until((desk.directory / "desk-last" / "last").exists, what="the call's start")
    worker = desk.processes.pop("desk")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(4 * lasting) == 0
    assert desk.outcome("desk", "last") == "processed"
