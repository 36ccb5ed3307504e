"""What the inbox in the database costs: the claim is one statement, the outcome one more beside the effects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert

from tests.integration.workers.sample_catalog import CATALOG, OrderShipped
from tests.integration.workers.sample_handlers import effects
from tests.integration.workers.stack import prepare_store
from tests.integration.workers.stores.bench import DONE_WELL, Bench, claimed
from workers.database import connect
from workers.stores.settlement import Together
from workers.stores.sql import DatabaseStore
from workers.work import UnitOfWork


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A fresh database with all tables, on each kind."""
    prepare_store(database_url)
    made = connect(database_url)
    yield made
    made.dispose()


def test_one_statement_each(engine: Engine) -> None:
    """No round trip is there for the sake of other stores."""
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(" ".join(statement.split()[:3]).lower())

    store = DatabaseStore(engine)
    event.listen(engine, "before_cursor_execute", note)
    held = claimed(store.claim(Bench(lambda: store, lambda: None, group="ledger").request()))
    work = UnitOfWork(engine, CATALOG, held, store)
    work.execute(insert(effects).values(who="x", order_id="1"))
    work.publish(OrderShipped(order_id="1"))
    Together(store).complete(held, work, DONE_WELL)
    wanted = [f"insert into {effects.name}", "insert into millrace_outbox", "update millrace_inbox set"]
    assert [text for text in said if not text.startswith("begin")] == ["insert into millrace_inbox", *wanted]
