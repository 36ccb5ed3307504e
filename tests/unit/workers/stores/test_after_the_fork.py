"""Connections, and the thread that watches leases, are made in the process that runs the events."""

from millrace.catalog import CATALOG

from workers.app import make_worker_app
from workers.runtime import Runtime
from workers.settings import Settings


def test_the_parent_opens_no_store() -> None:
    """A worker's parent process makes the app, and leaves the store to its children."""
    settings = Settings(broker_url="amqp://u:p@127.0.0.1:1/v", database_url="sqlite:///none.db")
    runtime = Runtime(settings, CATALOG, CATALOG.group("signup"))
    make_worker_app(runtime)
    runtime.require_inbox()
    assert {"engine", "inbox", "settlement"}.isdisjoint(vars(runtime))
