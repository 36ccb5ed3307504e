"""Reads what `status` and `alerts` look at: broker, store and the local stack's processes."""

import json
from pathlib import Path

from millrace.declarations import Catalog

from operations.connections import Connections
from operations.local.fleet import worker_names
from operations.local.layout import Layout
from operations.local.numbers import read_numbers
from operations.queue_numbers import queue_numbers
from operations.sqs_numbers import sqs_numbers
from operations.status import ProcessNumbers, Situation
from operations.store_numbers import store_numbers
from operations.troubles import in_trouble
from workers.database import connect, reading


def read_situation(where: Connections, catalog: Catalog) -> Situation:
    """The situation now; raises NotRunning, BrokerUnreadable or a database error."""
    queues = queue_numbers(where.monitoring_url(), where.vhost)
    engine = connect(where.database_url())
    try:
        with reading(engine) as connection:
            store = store_numbers(connection)
    finally:
        engine.dispose()
    processes = read_processes(where.directory, catalog)
    trouble = in_trouble(where.stack.get("metrics", {}))
    return Situation(
        queues=queues,
        store=store,
        processes=processes,
        flower=where.stack.get("flower", {}),
        sqs=sqs_numbers(where.aws(), where.stack.get("aws", {}), catalog, where.vhost),
        trouble=trouble,
        numbers=read_numbers(Layout(where.directory)),
    )


def read_processes(directory: Path, catalog: Catalog) -> list[ProcessNumbers] | None:
    """The supervised processes, or None where no local stack runs."""
    try:
        listed = json.loads((directory / "processes.json").read_text())["processes"]
    except FileNotFoundError:
        return None
    groups = {name: group.name for group in catalog.groups for name in (group.name, *worker_names(group))}
    return [
        ProcessNumbers(
            name=process["name"],
            state=process["state"],
            restarts=process["restarts"],
            pid=process["pid"],
            group=groups.get(process["name"]),
        )
        for process in listed
    ]
