"""`up` and `down`: the whole local stack, from nothing to every group consuming, and back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from millrace.declarations import Catalog

from operations import connections
from operations.local.applying import apply_topology
from operations.local.aws_door import choose_aws, start_aws, wait_for_aws
from operations.local.broker import Broker, choose_broker
from operations.local.daemon import apply_fleet, running, start_supervisor, stop_supervisor, supervisor_pid
from operations.local.engine import choose_engine
from operations.local.errors import LocalError
from operations.local.exclusive import only_one
from operations.local.fleet import fleet
from operations.local.layout import Layout
from operations.local.leftovers import end_leftovers
from operations.local.migrating import Migration
from operations.local.noting import STACK, note
from operations.local.numbers import begin_numbers, groups_awake
from operations.local.ports import require_free
from operations.local.rabbitmq_node import write_secret
from operations.local.stack_ports import StackPorts, stack_ports
from operations.local.stack_record import StackRecord, read_record
from operations.local.waiting import Watch, wait_for_broker, wait_for_consumers, wait_for_flower, wait_for_processes

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
        was_running = supervisor_pid(layout) is not None
        cli = choose_engine(STACK, catalog, layout, environment)
        ports = _ports(layout, environment, was_running)
        broker = choose_broker(layout.broker, ports.node, say, environment)
        if not was_running:
            _clear_the_way(layout, broker, ports, say)
            start_supervisor(layout)
            apply_fleet(layout, broker.processes)
        aws = choose_aws(catalog, layout, ports.localstack, environment, say)
        start_aws(aws, layout)
        database_url = environment.get("MILLRACE_DATABASE_URL") or f"sqlite:///{layout.database.resolve()}"
        with Migration(database_url) as migration:
            wait_for_broker(broker, layout, say, meanwhile=migration.check)
            aws = wait_for_aws(aws, layout, say)
            outputs = apply_topology(STACK, broker, catalog, layout, say, cli, aws.noted)
            migration.finish()
            say("database: up to date")
        record = note(broker, ports, outputs, database_url=database_url, catalog=catalog, layout=layout, aws=aws.noted)
        specs = [*broker.processes, *aws.processes, *fleet(catalog, record, layout, environment)]
        begin_numbers(layout, catalog.groups)
        before = running(layout).applied
        watch = Watch(layout, apply_fleet(layout, specs))
        if watch.applied != before:
            say(f"starting what is new or changed of {', '.join(spec.name for spec in specs if spec.at_first)}")
        wait_for_processes(watch, specs)
        wait_for_consumers(watch, broker, record.vhost, lambda: groups_awake(layout, specs), say)
        wait_for_flower(watch, record.flower["url"], say)
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


def _ports(layout: Layout, environment: Mapping[str, str], was_running: bool) -> StackPorts:
    # A running stack keeps its ports, whatever the environment says now.
    noted = read_record(layout).get("ports") if was_running else None
    return StackPorts(**noted) if noted else stack_ports(environment)


def _clear_the_way(layout: Layout, broker: Broker, ports: StackPorts, say: Progress) -> None:
    if ended := end_leftovers(layout):
        say(f"ended {ended} processes that a killed supervisor had left")
    require_free({**broker.ports, "Flower": ports.flower, "the mail sink": ports.smtp})
    say(f"broker: {broker.kind} at {broker.amqp}")


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
            write_secret(layout.fleet, before)
            say("it failed; the stack goes on as it was before")
        if isinstance(error, (LocalError, KeyboardInterrupt, SystemExit)):
            raise
        raise LocalError(f"bringing the stack up must work, got {type(error).__name__}: {error}") from error


def _timed(progress: Progress) -> Progress:
    began = time.monotonic()
    return lambda text: progress(f"{time.monotonic() - began:5.1f} s  {text}")
