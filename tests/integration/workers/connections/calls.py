"""What the tests of connections do with a stack."""

import subprocess
import time
from typing import Any

from millrace.publishing import Publisher

from operations.faults.proxy import Proxy
from tests.integration.workers.connections.catalog import CATALOG, Called
from tests.integration.workers.stack import Stack, kill_tree, until

HASTY = "tests.integration.workers.connections.hasty_worker"


def start(stack: Stack, group: str, *proxies: Proxy, name: str = "", **more: str) -> subprocess.Popen[bytes]:
    """Start a hasty worker of a group, by way of proxies if some are given, under a name other than its group's."""
    purpose = f"group.{group}"
    if proxies:
        more["MILLRACE_BROKER_URL"] = ";".join(by_way_of(proxy, stack, purpose) for proxy in proxies)
    return stack.start(name or group, purpose, HASTY, group, **more)


def by_way_of(proxy: Proxy, stack: Stack, purpose: str) -> str:
    """The broker URL of a user, by way of a proxy."""
    return stack.url(purpose).replace(f":{stack.broker.amqp_port}/", f":{proxy.port}/")


def call(stack: Stack, *names: str, **how: Any) -> None:
    """Publish a call for each name; the event's id is the name."""
    with Publisher(stack.url("service.web"), source="/web", catalog=CATALOG) as publisher:
        for name in names:
            publisher.publish(Called(name=name, **how), id=name)


def answered(stack: Stack, group: str, *names: str, seconds: float = 30) -> float:
    """Wait until a group has processed the calls, and give the seconds that took."""
    started = time.monotonic()
    for name in names:
        until(lambda name=name: stack.outcome(group, name) == "processed", seconds=seconds, what=f"{name} processed")  # type: ignore[misc]
    return time.monotonic() - started


def code_of(stack: Stack, group: str, process: subprocess.Popen[bytes], seconds: float) -> int:
    """Wait until a process ends by itself, and give its exit code."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        kill_tree(process.pid)
        process.wait(5)
        raise AssertionError(
            f"{group} must end within {seconds} s, got one that goes on:\n{stack.log(group)}"
        ) from None
