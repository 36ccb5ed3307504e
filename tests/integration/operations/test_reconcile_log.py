"""`millrace reconcile` on a running stack: it adds up, and the log at the broker is compared with its index."""

import json
from typing import Any

from sqlalchemy import delete, insert, select

from tests.integration.operations.conftest import Millrace
from tests.integration.operations.test_command import published, state
from tests.integration.workers.stack import Stack, until
from workers.database import begin
from workers.tables import accepted


def compared(millrace: Millrace, stack: Stack, code: int) -> Any:
    """What the command says, as the keeper's user, who may read the log."""
    result = millrace("reconcile", "--from-log", "--json", MILLRACE_BROKER_URL=stack.url("keeper"))
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_the_log_and_its_index(millrace: Millrace, stack: Stack) -> None:
    ids = [published(millrace, order_id=f"r-{number}") for number in range(3)]
    until(lambda: all(state(millrace, id_) == "processed" for id_ in ids), what="the events processed")
    found = compared(millrace, stack, 0)
    assert found["adds_up"]
    assert found["log"] >= 3
    row = dict(stack.rows(select(accepted).where(accepted.c.event_id == ids[0]))[0]._mapping)
    with stack.engine() as engine, begin(engine) as connection:
        connection.execute(delete(accepted).where(accepted.c.event_id == ids[0]))
    found = compared(millrace, stack, 1)
    assert [(one["event_id"], one["reason"]) for one in found["unaccounted"]] == [
        (ids[0], "in the log of accepted events, not in its index")
    ]
    with stack.engine() as engine, begin(engine) as connection:
        connection.execute(insert(accepted).values(row))
    assert millrace("reconcile", "--since", "1h").exit_code == 0
