"""A queue that is made full is put right again, whatever happens meanwhile, and nothing but its worker is frozen."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

import httpx
import psutil
import pytest

from operations.faults.limits import narrow, stalled
from operations.faults.world import World
from operations.local.errors import LocalError

USUAL = {"pattern": "^first$", "apply-to": "queues", "priority": 0, "definition": {"overflow": "reject-publish"}}


def _world(heard: list[dict[str, Any]]) -> World:
    """A world whose management API knows one policy and notes what is put."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/policies/v/first"
        if request.method == "GET":
            return httpx.Response(200, json={"vhost": "v", "name": "first", **USUAL})
        heard.append(json.loads(request.content))
        return httpx.Response(204)

    def management() -> httpx.Client:
        return httpx.Client(base_url="http://broker", transport=httpx.MockTransport(answer))

    return cast("World", SimpleNamespace(record=SimpleNamespace(vhost="v"), management=management))


def test_the_policy_is_narrowed_and_put_back() -> None:
    heard: list[dict[str, Any]] = []
    with suppress(RuntimeError), narrow(_world(heard), "first"):
        assert heard == [{**USUAL, "definition": {"overflow": "reject-publish", "max-length": 1}}]
        raise RuntimeError
    assert heard[1:] == [USUAL]


@contextmanager
def _worker() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        try:
            yield process
        finally:
            process.kill()


def _with_pid(pid: int | None) -> World:
    return cast("World", SimpleNamespace(worker=lambda group: f"worker-{group}", pid=lambda _name: pid))


def _await(pid: int, *, stopped: bool) -> None:
    """A signal comes a moment later."""
    deadline = time.monotonic() + 10
    while (psutil.Process(pid).status() == psutil.STATUS_STOPPED) is not stopped:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_worker_stands_still_and_goes_on() -> None:
    with _worker() as process:
        with suppress(RuntimeError), stalled(_with_pid(process.pid), "first"):
            _await(process.pid, stopped=True)
            raise RuntimeError
        _await(process.pid, stopped=False)


def test_a_worker_that_is_down_is_not_taken_for_this_process() -> None:
    with pytest.raises(LocalError, match="must run"), stalled(_with_pid(None), "first"):
        raise AssertionError
