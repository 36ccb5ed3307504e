"""`up` and `down`: the whole local stack, from nothing to every group consuming, and back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from millrace import names
from millrace.declarations import Catalog

from operations import connections
from operations.local.applying import apply_topology
from operations.local.broker import Broker, choose_broker
from operations.local.daemon import apply_fleet, start_supervisor, stop_supervisor, supervisor_pid
from operations.local.errors import LocalError
from operations.local.exclusive import only_one
from operations.local.fleet import FLOWER, MAIL_SINK, RELAY, fleet, measured
from operations.local.layout import Layout
from operations.local.leftovers import end_leftovers
from operations.local.migrating import Migration
from operations.local.ports import LOOPBACK, free_among, require_free
from operations.local.stack_ports import StackPorts, stack_ports
from operations.local.stack_record import StackRecord, admin_of, flower_login, read_record
from operations.local.waiting import Watch, wait_for_broker, wait_for_consumers, wait_for_flower, wait_for_processes

STACK = "dev"

Progress = Callable[[str], None]


def up(
    progress: Progress,
    *,
    catalog: Catalog | None = None,
    layout: Layout | None = None,
    environment: Mapping[str, str] = os.environ,
) -> StackRecord:
    """Bring the local stack up, or bring what changed up to date; a second run changes nothing.

    Raises:
        LocalError: what failed, why and what to do; whatever this run started is stopped again.
    """
    layout = layout or Layout()
    catalog = catalog or connections.catalog(environment)
    say = _timed(progress)
    layout.make()
    with only_one(layout, "up"), _undone_on_failure(layout, say):
        running = supervisor_pid(layout) is not None
        ports = _ports(layout, environment, running=running)
        broker = _broker(layout, ports, say, environment, running=running)
        start_supervisor(layout)
        if not running:
            apply_fleet(layout, broker.processes)
        database_url = environment.get("MILLRACE_DATABASE_URL") or f"sqlite:///{layout.database.resolve()}"
        migration = Migration(database_url)
        wait_for_broker(broker, layout, say)
        outputs = apply_topology(STACK, broker, catalog, layout, say)
        migration.finish(say)
        record = _record(broker, ports, outputs, database_url, catalog, layout)
        _start_fleet(broker, record, catalog, layout, environment, say)
        record.save(layout)
    say("everything runs")
    return record


def down(progress: Progress, *, layout: Layout | None = None) -> bool:
    """Stop the local stack and all it runs; data stays. Gives whether anything ran."""
    layout = layout or Layout()
    say = _timed(progress)
    if not layout.root.exists():
        return False
    with only_one(layout, "down"):
        if supervisor_pid(layout) is not None:
            say("stopping; workers finish what runs")
        ran = stop_supervisor(layout)
        layout.stack.unlink(missing_ok=True)
    say("everything is stopped" if ran else "nothing was running")
    return ran


def _start_fleet(
    broker: Broker,
    record: StackRecord,
    catalog: Catalog,
    layout: Layout,
    environment: Mapping[str, str],
    say: Progress,
) -> None:
    specs = [*broker.processes, *fleet(catalog, record, layout, environment)]
    watch = Watch(layout, apply_fleet(layout, specs))
    groups = [group.name for group in catalog.groups]
    say(f"starting {len(groups)} workers, {RELAY}, keeper, {MAIL_SINK} and {FLOWER}")
    wait_for_processes(watch, [spec.name for spec in specs])
    wait_for_consumers(watch, broker, record.vhost, groups, say)
    wait_for_flower(watch, record.flower["url"], say)


def _ports(layout: Layout, environment: Mapping[str, str], *, running: bool) -> StackPorts:
    # A running stack keeps its ports, whatever the environment says now.
    noted = read_record(layout).get("ports") if running else None
    return StackPorts(**noted) if noted else stack_ports(environment)


def _broker(
    layout: Layout, ports: StackPorts, say: Progress, environment: Mapping[str, str], *, running: bool
) -> Broker:
    if not running and (ended := end_leftovers(layout)):
        say(f"ended {ended} processes that a killed supervisor had left")
    broker = choose_broker(layout.broker, ports.node, say, environment)
    if not running:
        require_free({**broker.ports, "Flower": ports.flower, "the mail sink": ports.smtp})
        say(f"broker: {broker.kind} at {broker.amqp}")
    return broker


def _record(
    broker: Broker,
    ports: StackPorts,
    outputs: Mapping[str, object],
    database_url: str,
    catalog: Catalog,
    layout: Layout,
) -> StackRecord:
    users = outputs["users"]
    assert isinstance(users, dict)
    return StackRecord(
        stack=STACK,
        vhost=names.vhost(STACK),
        amqp=broker.amqp,
        management=broker.management_url,
        admin=admin_of(broker),
        users=users,
        database_url=database_url,
        flower=flower_login(layout, ports),
        smtp_url=f"smtp://{LOOPBACK}:{ports.smtp}",
        metrics=_metrics(ports, catalog, layout),
        ports=vars(ports),
        broker_kind=broker.kind,
        mails=str(layout.mails.resolve()),
    )


def _metrics(ports: StackPorts, catalog: Catalog, layout: Layout) -> dict[str, str]:
    # Those that run keep their port: a group added in between must not move (and so restart) the others.
    wanted = measured(catalog)
    kept = {name: url for name, url in read_record(layout).get("metrics", {}).items() if name in wanted}
    taken = {int(url.rpartition(":")[2]) for url in kept.values()}
    new = [name for name in wanted if name not in kept]
    found = free_among(ports.metrics, len(new), taken)
    return {**kept, **{name: f"http://{LOOPBACK}:{port}" for name, port in zip(new, found, strict=True)}}


@contextmanager
def _undone_on_failure(layout: Layout, say: Progress) -> Iterator[None]:
    before = layout.fleet.read_text() if supervisor_pid(layout) is not None and layout.fleet.exists() else None
    try:
        yield
    except BaseException as error:
        if before is None:
            if stop_supervisor(layout):
                say("it failed; stopped what had been started")
            layout.stack.unlink(missing_ok=True)
        elif layout.fleet.read_text() != before:
            layout.fleet.write_text(before)
            say("it failed; the stack goes on as it was before")
        if isinstance(error, (LocalError, KeyboardInterrupt, SystemExit)):
            raise
        raise LocalError(f"bringing the stack up must work, got {type(error).__name__}: {error}") from error


def _timed(progress: Progress) -> Progress:
    began = time.monotonic()
    return lambda text: progress(f"{time.monotonic() - began:5.1f} s  {text}")
