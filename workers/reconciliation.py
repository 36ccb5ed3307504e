"""Who owes an outcome for what: since when each group takes each event type, as the reconciliation goes by it."""

from millrace.declarations import Catalog
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, delete, select, tuple_

from workers.database import begin, insert_into
from workers.tables import addressed


def note_addressed(engine: Engine, catalog: Catalog) -> None:
    """Note which group takes which type from now on, and forget what the catalog has no more.

    The keeper does this before it reads the log: all that it indexes from then on is owed.
    """
    now_bound = {(group.name, payload.event_type) for group in catalog.groups for payload in group.handles}
    with begin(engine) as connection:
        known = {(row.group_name, row.type) for row in connection.execute(select(addressed))}
        gone = sorted(known - now_bound)
        if gone:
            connection.execute(delete(addressed).where(tuple_(addressed.c.group_name, addressed.c.type).in_(gone)))
        for group, type_ in sorted(now_bound - known):
            row = {"group_name": group, "type": type_, "since": store_now()}
            connection.execute(insert_into(connection, addressed).values(row).on_conflict_do_nothing())
