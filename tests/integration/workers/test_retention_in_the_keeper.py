"""The retention as it runs: a thread of the keeper's process, on a real broker."""

from collections.abc import Iterator
from functools import partial

import pytest
from millrace import names
from millrace.publishing.message import Message
from millrace.publishing.sender import Sender
from millrace.publishing.store_clock import store_now
from sqlalchemy import insert, select

from tests.integration.workers.stack import Stack, until
from workers.database import begin
from workers.retention_clearance import Ask, asking
from workers.tables import accepted, addressed, clearances


@pytest.fixture
def ask(stack: Stack) -> Iterator[Ask]:
    """What the keeper asks the broker with."""
    found, close = asking(stack.url("keeper"))
    yield found
    close()


def send(stack: Stack, group: str) -> None:
    """Put a message into a group's queue."""
    sender = Sender(stack.url("relay"))
    try:
        sender.send_one(Message(exchange=names.GROUPS, routing_key=names.group_key(group), body=b"{}", message_id="1"))
    finally:
        sender.close()


def test_the_keepers_user_may_ask_how_much_waits(stack: Stack, ask: Ask) -> None:
    assert [ask(queue) for queue in ("fragile", "dead.no-such-queue", names.dead_queue("fragile"))] == [0, None, 0]
    before = ask("ledger") or 0
    send(stack, "ledger")
    assert ask("ledger") == before + 1


def test_a_keeper_removes_looks_and_notes_who_takes_what(stack: Stack) -> None:
    """One old row goes; a group with a message in its queue is not looked at as clear."""
    with stack.engine() as engine, begin(engine) as connection:
        row = {"source": "/s", "event_id": "old", "type": "order.placed", "accepted_at": store_now() - 8 * 86_400}
        connection.execute(insert(accepted).values(row))
    send(stack, "ledger")
    stack.start("keeper", "keeper", "workers.keeper", MILLRACE_RETENTION_DAYS="7")
    until(lambda: not stack.rows(select(accepted)), what="the old row removed")
    seen = until(partial(stack.rows, select(clearances.c.group_name)), what="the looks")
    assert {row.group_name for row in seen} == {"flaky", "fragile"}
    taken = {(row.group_name, row.type) for row in stack.rows(select(addressed))}
    assert taken == {(group, "order.placed") for group in ("ledger", "flaky", "fragile")}
    stack.end("keeper")
    assert "removed" in stack.log("keeper")
    assert "trouble" not in stack.log("keeper")
