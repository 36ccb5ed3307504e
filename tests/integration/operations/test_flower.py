"""Flower as its own process and broker user: tasks by event type, behind a login, without payloads."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from millrace.publishing import Publisher

from tests.integration.workers.sample_catalog import CATALOG, OrderPlaced
from tests.integration.workers.stack import Stack, until

#: The exit code of a process whose settings are wrong.
WRONG_SETTINGS = 2
LOGIN = ("millrace", "a-long-password")
SECRET = "nobody-may-see-this"


@pytest.fixture(scope="module")
def flower(stack: Stack) -> Iterator[httpx.Client]:
    """Flower, answering, with a worker that it knows."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stack.start("flower", "flower", "operations.flower", FLOWER_BASIC_AUTH=":".join(LOGIN), FLOWER_PORT=str(port))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=LOGIN, timeout=20, trust_env=False) as client:
        until(lambda: _answers(client), what="Flower's answer")
        until(lambda: client.get("/workers?json=1").json()["data"], what="the worker in Flower")
        yield client
    stack.end("flower")


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthcheck").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def test_tasks_are_shown_by_event_type_and_without_payloads(flower: httpx.Client, stack: Stack) -> None:
    with Publisher(stack.url("service.web"), catalog=CATALOG) as publisher:
        event_id = publisher.publish(OrderPlaced(order_id=SECRET))
    until(lambda: stack.outcome("ledger", event_id) == "processed", what="the event processed")
    seen = until(lambda: flower.get("/api/tasks").json().get(f"{event_id}@ledger"), what="the task in Flower")
    assert seen["name"] == "order.placed"
    for path in ("/api/tasks", "/tasks", f"/task/{event_id}@ledger", f"/api/task/info/{event_id}@ledger"):
        answer = flower.get(path)
        assert answer.status_code == httpx.codes.OK, path
        assert SECRET not in answer.text


def test_workers_answer_what_flower_asks(flower: httpx.Client) -> None:
    until(lambda: "ledger" in flower.get("/api/workers?refresh=1").text, what="the worker's answer")


@pytest.mark.parametrize("path", ["/", "/tasks", "/workers", "/metrics", "/healthcheck", "/api/tasks", "/api/workers"])
def test_nothing_is_shown_without_the_login(flower: httpx.Client, path: str) -> None:
    for login in (None, ("millrace", "wrong")):
        answer = httpx.get(f"{flower.base_url}{path}", auth=login, trust_env=False)
        assert answer.status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.parametrize("path", ["/api/worker/shutdown/x", "/api/task/send-task/order.placed", "/api/task/revoke/x"])
def test_it_does_not_steer(flower: httpx.Client, path: str) -> None:
    assert flower.post(path, json={}).status_code in (403, 404, 405)


def test_its_login_is_not_on_a_command_line(flower: httpx.Client, stack: Stack) -> None:  # noqa: ARG001 (it runs)
    command = Path(f"/proc/{stack.processes['flower'].pid}/cmdline").read_bytes().decode()
    assert "operations.flower" in command
    assert LOGIN[1] not in command


def test_it_does_not_start_without_a_login(stack: Stack) -> None:
    process = stack.start("flower-open", "flower", "operations.flower", FLOWER_BASIC_AUTH="")
    assert process.wait(30) == WRONG_SETTINGS
    assert "FLOWER_BASIC_AUTH" in stack.log("flower-open")
