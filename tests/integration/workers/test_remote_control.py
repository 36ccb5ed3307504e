"""Celery's remote control of a worker whose old connection is still known to the broker."""

import contextlib
from typing import Any

from kombu import Connection
from millrace import names

from tests.integration.workers.sample_catalog import CATALOG
from tests.integration.workers.stack import Stack, until
from workers.app import make_app

NODE = names.node_name("ledger", "0f3a", "host")


def test_a_worker_listens_again_while_its_lost_connection_is_held(stack: Stack) -> None:
    """The queue of the old connection is locked; the new one gets the commands for this worker, and no others."""
    app = make_app(stack.url("group.ledger"), CATALOG)
    heard: list[str] = []

    def listen(who: str, connection: Connection) -> Any:
        node = app.control.mailbox.Node(NODE, handlers={"ping": lambda _state, **_: heard.append(who)})
        return node.listen(channel=connection.channel(), callback=node.handle_message)

    with contextlib.ExitStack() as opened:
        lost, again = (opened.enter_context(app.connection_for_read()) for _ in range(2))
        listen("lost", lost)
        listen("again", again)
        with make_app(stack.url("flower"), CATALOG).connection_for_write() as flower:
            control = make_app(stack.url("flower"), CATALOG).control
            for destination in (["ledger.beef@host"], [NODE]):
                control.broadcast("ping", destination=destination, connection=flower)
        until(lambda: _drained(again, heard), what="the command")
        assert heard == ["again"]


def _drained(connection: Connection, heard: list[str]) -> bool:
    with contextlib.suppress(TimeoutError):
        connection.drain_events(timeout=0.5)
    return bool(heard)
