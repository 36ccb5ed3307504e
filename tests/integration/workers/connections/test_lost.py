"""A worker whose line is cut, silent or gone: noticed in bounded time, well again soon, nothing done twice."""

import os
import time

from operations.faults.proxy import Proxy
from tests.integration.workers.connections.calls import answered, call, start
from tests.integration.workers.connections.hasty_worker import SILENCE_SECONDS
from tests.integration.workers.stack import Stack, until

#: `MILLRACE_TEST_RECONNECTS=50` is the full run.
RECONNECTS = int(os.environ.get("MILLRACE_TEST_RECONNECTS", "3"))
BACK_SECONDS = 30
CONCURRENCY = 2


def consuming(stack: Stack, group: str, proxy: Proxy) -> None:
    """Wait until the group's worker consumes by way of the proxy."""
    stack.consuming(group)
    assert proxy.accepted


def test_full_concurrency_is_back_after_each_lost_connection(running: Stack, proxy: Proxy) -> None:
    """As many calls as the worker has processes, each of which ends only if all of them run at the same time."""
    start(running, "desk", proxy)
    consuming(running, "desk", proxy)
    took = []
    for number in range(RECONNECTS):
        proxy.cut()
        names = [f"again{number}:{each}" for each in range(CONCURRENCY)]
        call(running, *names, together=CONCURRENCY)
        took.append(answered(running, "desk", *names, seconds=BACK_SECONDS))
    print(f"full concurrency was back after at most {max(took):.1f} s, {RECONNECTS} times")
    assert all(len(running.effects("desk", f"again{number}:0")) == 1 for number in range(RECONNECTS))


def test_full_concurrency_is_back_after_a_broker_that_was_gone(running: Stack, proxy: Proxy) -> None:
    start(running, "desk", proxy)
    consuming(running, "desk", proxy)
    proxy.refuse()
    until(lambda: running.log("desk").count("Connection refused") >= 3, what="three tries to connect")
    names = ["gone:1", "gone:2"]
    call(running, *names, together=CONCURRENCY)
    proxy.let_pass()
    assert answered(running, "desk", *names, seconds=BACK_SECONDS) < BACK_SECONDS


def test_work_whose_connection_was_cut_is_done_once(running: Stack, proxy: Proxy) -> None:
    """The broker gives the event to another worker while the first still runs it."""
    start(running, "desk", proxy)
    consuming(running, "desk", proxy)
    call(running, "cut", seconds=2)
    until((running.directory / "desk-cut" / "cut").exists, what="the call's start")
    other = running.start("desk-2", "group.desk", "tests.integration.workers.connections.hasty_worker", "desk")
    until(lambda: running.consumers("desk") == 2, what="another worker")
    proxy.cut()
    assert other.poll() is None
    answered(running, "desk", "cut")
    until(lambda: running.messages("desk") == 0, what="the redelivered event's end")
    assert len(running.effects("desk", "cut")) == 1


def test_a_silent_connection_is_noticed_and_its_work_done_once(running: Stack, proxy: Proxy) -> None:
    start(running, "desk", proxy)
    consuming(running, "desk", proxy)
    call(running, "silent", seconds=1)
    until((running.directory / "desk-silent" / "silent").exists, what="the call's start")
    proxy.hold()
    started = time.monotonic()
    until(lambda: "Connection to broker lost" in running.log("desk"), what="the worker to notice")
    assert time.monotonic() - started < SILENCE_SECONDS + 2
    proxy.cut()
    proxy.let_pass()
    call(running, "after")
    answered(running, "desk", "silent", "after")
    until(lambda: running.messages("desk") == 0, what="the redelivered event's end")
    assert len(running.effects("desk", "silent")) == 1
