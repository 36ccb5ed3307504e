"""A function whose inbox is in the database of its effects: all of it commits together, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import OperationalError

from tests.integration.workers.functions.world import CATALOG_PLACE, HANDLERS, Context, sqs_record
from workers import inbox
from workers.aws_lambda import Function, make
from workers.database import begin, connect, reading
from workers.functions.settings import FunctionSettings
from workers.migrate import migrate
from workers.tables import outbox

ARN = "arn:aws:sqs:us-east-1:123456789012:notes"


@pytest.fixture
def function(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """The function on a migrated database; it needs SQS for letters of what is no event only."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    migrate(database_url)
    with opened(database_url) as engine, begin(engine) as connection:
        connection.execute(text("create table notes (part varchar(100) primary key)"))
    settings = FunctionSettings(
        group="notes",
        dead_queue_url="http://127.0.0.1:9/1/dead",
        database_url=database_url,
        aws_endpoint="http://127.0.0.1:9",
        catalog=CATALOG_PLACE,
        handlers=HANDLERS,
    )
    made = make(settings)
    yield made
    made.running.attempts.inbox._engine.dispose()  # type: ignore[attr-defined]


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """The database."""
    engine = connect(url)
    yield engine
    engine.dispose()


def noted(id_: str, part: str) -> str:
    """An event."""
    data = {"part": part}
    return json.dumps({"specversion": "1.0", "id": id_, "source": "/test", "type": "part.noted", "data": data})


def deliver(function: Function, *bodies: str) -> int:
    """Call the function; gives how many records must come again."""
    answer = function.call({"Records": [sqs_record(body, ARN) for body in bodies]}, Context())
    assert answer is not None
    return len(answer["batchItemFailures"])


def found(url: str) -> tuple[list[str], list[tuple[str, str]], dict[str, str]]:
    """Effects, outbox (exchange and key), and the state of each event."""
    with opened(url) as engine, reading(engine) as connection:
        parts = list(connection.execute(text("select part from notes order by part")).scalars())
        sent = [(row.exchange, row.routing_key) for row in connection.execute(select(outbox).order_by(outbox.c.id))]
        seen = {id_: inbox.look(connection, "notes", "/test", id_) for id_ in ("1", "2")}
        return parts, sent, {id_: one.state for id_, one in seen.items() if one is not None}


def test_effects_outcome_and_outbox(function: Function, database_url: str) -> None:
    """Once, however often it comes."""
    assert deliver(function, noted("1", "bolt"), noted("1", "bolt"), noted("2", "nut")) == 0
    sent = [("in", "part.stored")] * 2
    assert found(database_url) == (["bolt", "nut"], sent, {"1": "processed", "2": "processed"})


def test_a_statement_that_fails(function: Function, database_url: str) -> None:
    """The event is tried again, then a dead letter in the database's outbox; the other is not touched."""
    deliver(function, noted("1", "bolt"))
    assert [deliver(function, noted("2", "bolt")) for _ in range(3)] == [1, 1, 0]
    sent = [("in", "part.stored"), ("dead", "group.notes")]
    assert found(database_url) == (["bolt"], sent, {"1": "processed", "2": "dead-lettered"})


def test_the_database_is_out(function: Function, database_url: str) -> None:
    """Nothing is counted, all comes again."""
    lost = OperationalError("select", {}, Exception("unable to open"))
    with mock.patch("workers.stores.sql.DatabaseStore.claim", side_effect=lost):
        assert deliver(function, noted("1", "bolt")) == 1
    assert found(database_url) == ([], [], {})
