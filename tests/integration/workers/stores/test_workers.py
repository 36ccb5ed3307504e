"""Real workers whose inbox lies elsewhere, and workers that do not start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from tests.dynamodb_server import fresh_table
from tests.integration.workers.sample_catalog import CATALOG, OrderPlaced
from tests.integration.workers.stack import Stack, until
from tests.redis_server import RedisServer
from workers import __main__ as program
from workers.runtime import Runtime
from workers.settings import Settings
from workers.stores.opening import open_store
from workers.tables import outbox

OWN_HANDLERS = "tests.integration.workers.stores.handlers"


@pytest.fixture
def table(dynamodb_endpoint: str) -> Iterator[str]:
    """The URL of an empty table."""
    with fresh_table(dynamodb_endpoint) as url:
        yield url


def shipped(stack: Stack, group: str, order_id: str) -> list[Any]:
    """What a group has published about an order."""
    rows = stack.rows(select(outbox.c.body, outbox.c.event_id).where(outbox.c.type == "order.shipped"))
    found = [(row.event_id, json.loads(row.body)) for row in rows]
    return [id_ for id_, body in found if body["source"] == f"/{group}" and body["data"]["order_id"] == order_id]


def test_workers_on_dynamodb_and_redis(stack: Stack, table: str, redis_server: RedisServer) -> None:
    """Copies are absorbed, each store has the outcome, and the database a copy of it."""
    inboxes = {"ledger": table, "flaky": redis_server.url}
    for group, url in inboxes.items():
        stack.start_worker(group, MILLRACE_INBOX_URL=url, MILLRACE_HANDLERS=OWN_HANDLERS)
    stack.consuming(*inboxes)
    with stack.publisher() as publisher:
        for _ in range(3):
            publisher.publish(OrderPlaced(order_id="1"), id="copied")
    for group, url in inboxes.items():
        with closing(open_store(url)) as store:
            until(partial(is_processed, store, group, "copied"), seconds=60, what=f"the outcome in {group}")
    until(lambda: all(stack.messages(group) == 0 for group in inboxes), what="empty queues")
    assert [len(shipped(stack, group, "1")) for group in inboxes] == [1, 1]
    assert [stack.outcome(group, "copied") for group in inboxes] == ["processed", "processed"]


def is_processed(store: Any, group: str, event_id: str) -> bool:
    """Whether the store has the outcome."""
    found = store.look(group, "/web", event_id)
    return found is not None and found.state == "processed"


def start(stack: Stack, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **more: str) -> tuple[int, str]:
    """What `python -m workers ledger` says at its start, and its exit code."""
    for name, value in stack.environment("group.ledger", **more).items():
        patch.setenv(name, value)
    patch.setattr(program, "configure_logs", lambda: None)  # its handler would outlive what capsys gives it to write to
    code = program.main(["ledger"])
    return code, capsys.readouterr().err


def test_a_store_that_is_too_weak_for_a_handler(
    stack: Stack, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker does not start: handlers need the database unless they say otherwise."""
    code, said = start(stack, monkeypatch, capsys, MILLRACE_INBOX_URL=redis_server.url)
    assert code == 78
    assert "the inbox must have the level that its handlers need, got BEST_EFFORT" in said
    assert "(order.placed) needs TRANSACTIONAL" in said


def test_the_parent_process_keeps_no_store(stack: Stack, redis_server: RedisServer) -> None:
    """The look at start has its own connection: what children inherit would be shared by all of them."""
    settings = Settings(
        broker_url=stack.url("group.ledger"), database_url=stack.database_url, inbox_url=redis_server.url
    )
    runtime = Runtime(settings, CATALOG, CATALOG.group("ledger"))
    runtime.require_inbox()
    assert {"engine", "inbox", "settlement"}.isdisjoint(vars(runtime))


def test_a_store_that_is_not_there(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never "run unprotected"."""
    nowhere = "dynamodb://none?region=eu-west-1&endpoint=http://127.0.0.1:1"
    more = {"MILLRACE_INBOX_URL": nowhere, "MILLRACE_HANDLERS": OWN_HANDLERS}
    code, said = start(stack, monkeypatch, capsys, **more)
    assert code == 78
    assert "MILLRACE_INBOX_URL: the DynamoDB table none must be reachable" in said


def test_a_url_that_names_no_store(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong setting is told before anything is reached."""
    code, said = start(stack, monkeypatch, capsys, MILLRACE_INBOX_URL="memcached://127.0.0.1")
    assert code == 78
    assert "MILLRACE_INBOX_URL must be postgresql+psycopg://" in said
