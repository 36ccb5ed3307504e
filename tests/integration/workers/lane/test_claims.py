"""What a batch's one statement writes is what it was given, whatever is in it."""

from datetime import UTC, datetime

import pytest
from millrace.envelope import Envelope
from sqlalchemy import select

from tests.integration.workers.claims import first_claim
from workers.database import begin, connect, reading
from workers.lane.claims import claim_all, claim_parameters
from workers.migrate import migrate
from workers.stores.store import Outcome
from workers.tables import inbox
from workers.verdicts import DISCARDED, PROCESSED, Claim

IDS = ["1", 'a"b', "back\\slash", "{a,b}", "NULL", "'; drop table inbox --", "größer 🐎", "%s %(rows)s", "a\u2028b"]
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def held(id_: str) -> Claim:
    """A first attempt."""
    return first_claim(Envelope(id=id_, source="/s", type=f"type {id_}", traceparent=TRACE if id_ == "1" else None))


@pytest.mark.parametrize("chunk", [1, 100])
def test_all_is_on_record_as_it_was(database_url: str, chunk: int) -> None:
    migrate(database_url)
    engine = connect(database_url)
    ended = [(held(id_), Outcome(state=PROCESSED, milliseconds=0.1 + number)) for number, id_ in enumerate(IDS)]
    ended.append((held("dropped"), Outcome(state=DISCARDED, milliseconds=1e-7, error='no "use"\n')))
    statement = claim_all(engine.dialect)
    for at in range(0, len(ended), chunk):
        with begin(engine) as connection:
            part = ended[at : at + chunk]
            claimed = connection.execute(statement, claim_parameters(part)).all()
            assert {tuple(row) for row in claimed} == {("/s", each.request.envelope.id) for each, _ in part}
    with begin(engine) as connection:
        assert connection.execute(statement, claim_parameters(ended)).all() == []
    with reading(engine) as connection:
        rows = {row.event_id: row for row in connection.execute(select(inbox))}
    for claim, outcome in ended:
        event = claim.request.envelope
        row = rows.pop(event.id)
        assert (row.source, row.type, row.traceparent, row.owner) == ("/s", event.type, event.traceparent, "me")
        assert (row.state, row.milliseconds, row.error) == (outcome.state, outcome.milliseconds, outcome.error)
        assert (row.group_name, row.fingerprint, row.attempts, row.generation, row.fence) == ("g", "f", 1, 0, 1)
        assert abs(row.first_seen_at - datetime.now(UTC).timestamp()) < 60
    assert not rows
    engine.dispose()
