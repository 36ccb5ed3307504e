"""Who owes an outcome for what: since when each group takes each event type, as the reconciliation goes by it."""

from millrace.declarations import Catalog
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, case

from workers.database import begin, insert_into
from workers.tables import addressed

#: A group that took a type before, and was not seen to for longer, takes it anew. Longer than a rollout, in which
#: keepers of both catalogs run.
GONE_SECONDS = 7 * 86_400.0


def note_addressed(engine: Engine, catalog: Catalog) -> None:
    """Note which group takes which type from now on, and that it still does.

    The keeper does this before it reads the log, so that all that it indexes from then on is owed, and with each round
    of the retention.
    """
    taken = [(group.name, payload.event_type) for group in catalog.groups for payload in group.handles]
    with begin(engine) as connection:
        for name, type_ in sorted(taken):
            row = {"group_name": name, "type": type_, "since": store_now(), "seen_at": store_now()}
            noted = insert_into(connection.dialect, addressed).values(row)
            gone = addressed.c.seen_at < store_now() - GONE_SECONDS
            again = {"since": case((gone, store_now()), else_=addressed.c.since), "seen_at": store_now()}
            connection.execute(noted.on_conflict_do_update(index_elements=["group_name", "type"], set_=again))
