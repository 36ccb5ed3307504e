"""A copy of each outcome in the database, for `why`, `status` and the reconciliation, where the inbox lies elsewhere.

It decides nothing. A copy is a row of the inbox table with a negative fence: it never touches a claim made there, and a
stale holder never overwrites a later outcome.
"""

from millrace.publishing.store_clock import store_now
from sqlalchemy import Connection, and_

from workers.database import insert_into
from workers.stores.store import Outcome
from workers.tables import inbox
from workers.verdicts import Claim

#: Of a row of the inbox table: another store decides over the event, and knew it when this was written.
IS_COPY = inbox.c.fence < 0


def copy_outcome(connection: Connection, held: Claim, outcome: Outcome) -> None:
    """Write what an attempt is about to record in its store."""
    event, asked = held.request.envelope, held.request
    changing = {
        "state": outcome.state,
        "attempts": held.attempt,
        "generation": asked.generation,
        "owner": asked.owner,
        "fence": -held.fence,
        "error": outcome.error,
        "milliseconds": outcome.milliseconds,
        "updated_at": store_now(),
    }
    known = {
        "group_name": asked.group,
        "source": event.source,
        "event_id": event.id,
        "type": event.type,
        "fingerprint": asked.fingerprint,
        "due_at": store_now(),
        "traceparent": event.traceparent,
        "first_seen_at": store_now(),
    }
    adding = insert_into(connection.dialect, inbox).values(**known, **changing)
    older_copy = and_(IS_COPY, inbox.c.fence >= -held.fence)
    key = [inbox.c.group_name, inbox.c.source, inbox.c.event_id]
    connection.execute(adding.on_conflict_do_update(index_elements=key, set_=changing, where=older_copy))
