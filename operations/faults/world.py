"""A scratch stack to break: broker, database, workers, relay and keeper under the real supervisor."""

from __future__ import annotations

import dataclasses
import json
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from millrace import names
from millrace.declarations import Catalog
from millrace.derived import lane_size
from sqlalchemy import Engine

from operations.faults.proxy import Proxy
from operations.faults.sample_handlers.caller import SINK_VARIABLE
from operations.faults.scratch_database import prepare_store, scratch_database
from operations.faults.sink import Sink
from operations.local.applying import apply_topology
from operations.local.broker import Broker, node_broker
from operations.local.daemon import apply_fleet, running, start_supervisor, stop_supervisor, wait_for
from operations.local.errors import LocalError
from operations.local.fleet import FLOWER, MAIL_SINK, fleet, worker_name
from operations.local.layout import Layout
from operations.local.noting import note
from operations.local.numbers import SCALER
from operations.local.ports import LOOPBACK, free_ports
from operations.local.process_spec import ProcessSpec
from operations.local.rabbitmq_install import find_server
from operations.local.rabbitmq_node import Node, NodePorts
from operations.local.stack_ports import stack_ports
from operations.local.stack_record import StackRecord
from operations.local.waiting import Watch, wait_for_broker, wait_for_consumers, wait_for_processes
from workers.database import connect

Say = Callable[[str], None]
STACK = "dev"
#: What the suite starts the stack's processes by, so that they can be told to fail.
ARMED = "operations.faults.armed"
#: The group that has work in few scenarios.
POISONED = "poisoned"


@dataclass
class World:
    """A running scratch stack and what is needed to hurt it.

    Attributes:
        workers_proxy: what workers, relay and keeper reach the broker through.
        load_proxy: what the load reaches it through.
    """

    layout: Layout
    broker: Broker
    record: StackRecord
    catalog: Catalog
    engine: Engine
    sink: Sink
    workers_proxy: Proxy
    load_proxy: Proxy
    servers: tuple[ProcessSpec, ...]
    settings: Mapping[str, str]
    say: Say
    planned: dict[str, int] = field(default_factory=dict)

    def groups(self) -> list[str]:
        """The worker groups."""
        return [group.name for group in self.catalog.groups]

    def lanes(self) -> list[str]:
        """The groups that have a lane."""
        if self.settings.get("MILLRACE_INBOX_URL"):
            return []
        return [group.name for group in self.catalog.groups if lane_size(group)]

    @property
    def busy(self) -> list[str]:
        """The groups that handle what is loaded."""
        return [group for group in self.groups() if group != POISONED]

    def load_url(self) -> str:
        """The broker URL that the load publishes by, through its proxy."""
        user = names.service_user(self.record.vhost, self.catalog.services[0].name)
        return self.reached_by(self.load_proxy).amqp_url(user)

    def reached_by(self, proxy: Proxy) -> StackRecord:
        """The stack as who reaches its broker through a proxy knows it."""
        return dataclasses.replace(self.record, amqp=f"{LOOPBACK}:{proxy.port}", metrics={})

    def start(self, arming: Mapping[str, Mapping[str, str]] | None = None, twice: Sequence[str] = ()) -> None:
        """Have every process run, each armed by its name's entries (or those of `*`); waits until all consume.

        Groups in `twice` have a second worker.
        """
        through = self.reached_by(self.workers_proxy)
        arming = arming or {}
        everyone = arming.get("*", {})
        # A scenario has the workers that it says, whatever waits: nothing scales them.
        whole = fleet(self.catalog, through, self.layout, self.settings)
        plain = [spec for spec in whole if spec.name not in (FLOWER, SCALER) and spec.at_first]
        specs = [self._armed(spec, {**everyone, **arming.get(spec.name, {})}) for spec in plain]
        doubled = {self.worker(group) for group in twice}
        again = [
            dataclasses.replace(self._armed(spec, everyone), name=f"{spec.name}-b")
            for spec in plain
            if spec.name in doubled
        ]
        whole = [*self.servers, *specs, *again]
        watch = Watch(self.layout, apply_fleet(self.layout, whole))
        wait_for_processes(watch, whole)
        wait_for_consumers(watch, self.broker, self.record.vhost, lambda: [*self.groups(), *twice], lambda _text: None)
        self.planned = self.restarts()

    def _armed(self, spec: ProcessSpec, arming: Mapping[str, str]) -> ProcessSpec:
        if spec.name == MAIL_SINK:
            return spec
        python, _module, module, *rest = spec.argv
        # What a killed worker leaves of its metrics goes with the world.
        env = {**spec.env, SINK_VARIABLE: self.sink.url, "TMPDIR": str(self.layout.root), **arming}
        return dataclasses.replace(spec, argv=(python, "-m", ARMED, module, *rest), env=env)

    def restarts(self) -> dict[str, int]:
        """How often each process was started again since the fleet took it up."""
        return {status.name: status.restarts for status in running(self.layout).processes}

    def unplanned(self) -> dict[str, int]:
        """Restarts that no fault of ours explains."""
        more = {name: count - self.planned.get(name, 0) for name, count in self.restarts().items()}
        return {name: count for name, count in more.items() if count > 0}

    def pid(self, name: str) -> int | None:
        """The process id of a process of the fleet, None while it is down."""
        return next((status.pid for status in running(self.layout).processes if status.name == name), None)

    def children(self, name: str) -> list[psutil.Process]:
        """The pool's processes of a worker."""
        pid = self.pid(name)
        try:
            return psutil.Process(pid).children() if pid else []
        except psutil.NoSuchProcess:
            return []

    def signal(self, name: str, number: signal.Signals) -> bool:
        """Signal a process that the supervisor will start again; False if it is down just now."""
        pid = self.pid(name)
        try:
            if pid is None:
                return False
            psutil.Process(pid).send_signal(number)
        except psutil.NoSuchProcess:
            return False
        self.planned[name] = self.planned.get(name, 0) + 1
        return True

    def apply(self) -> None:
        """Put right what a fault did to the topology, as `up` does."""
        apply_topology(STACK, self.broker, self.catalog, self.layout, lambda _text: None)

    def management(self) -> httpx.Client:
        """The management API as administrator; close it after use."""
        login = (self.record.admin["user"], self.record.admin["password"])
        return httpx.Client(base_url=self.record.management, auth=login, timeout=30)

    def managements(self) -> Iterator[httpx.Client]:
        """The management API of each node."""
        yield self.management()

    def clean(self) -> None:
        """After a guard was off: end every process of ours, empty the queues and put the topology right."""
        self.only(self.servers)
        with self.management() as api:
            for queue in api.get(f"/api/queues/{self.record.vhost}").raise_for_status().json():
                if queue["durable"] and queue["type"] != "stream":
                    api.delete(f"/api/queues/{self.record.vhost}/{queue['name']}/contents").raise_for_status()
        self.apply()

    def told(self) -> list[ProcessSpec]:
        """What the supervisor was last told to run."""
        return [ProcessSpec.from_json(each) for each in json.loads(self.layout.fleet.read_text())]

    def only(self, specs: Sequence[ProcessSpec]) -> None:
        """Have nothing run but these, once all others have ended; raises LocalError if they do not."""
        wanted = {spec.name for spec in specs}
        self.engine.dispose()  # a PostgreSQL that is to end waits for its sessions
        apply_fleet(self.layout, specs)
        alone = lambda: {status.name for status in running(self.layout).processes} == wanted  # noqa: E731
        wait_for(alone, 60, lambda: f"nothing must run but {', '.join(sorted(wanted))}, got more or less")

    def worker(self, group: str) -> str:
        """The name of a group's worker process."""
        return worker_name(group)


@contextmanager
def running_world(
    catalog: Catalog,
    say: Say,
    *,
    settings: Mapping[str, str],
    database: str = "postgresql",
    server: Path | None = None,
    brokers: Callable[[Layout, Path], Broker] | None = None,
    booted: Callable[[], None] = lambda: None,
) -> Iterator[World]:
    """A scratch stack on servers of its own; everything is stopped and removed afterwards.

    `brokers` makes another broker than one node, from where its files go and the server to run; `booted` waits for what
    is more than its first node, before anything is declared.

    Raises:
        LocalError: RabbitMQ or PostgreSQL is not here, or something did not start.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="millrace-faults-")))
        directory.chmod(0o711)  # PostgreSQL's user must come through to its own part
        layout = Layout(directory / "stack")
        layout.make()
        broker = _impatient((brokers or _one_node)(layout, _server(server)))
        database_process, url = scratch_database(directory, database)
        start_supervisor(layout)
        stack.callback(stop_supervisor, layout)
        servers = (*database_process, *broker.processes)
        apply_fleet(layout, servers)
        say("starting RabbitMQ and the database")
        prepare_store(url)
        wait_for_broker(broker, layout, lambda _text: None, meanwhile=lambda: None)
        booted()
        outputs = apply_topology(STACK, broker, catalog, layout, lambda _text: None)
        ports = stack_ports({"MILLRACE_SMTP_PORT": str(free_ports(1)[0])})  # a stack of yours may run meanwhile
        record = note(broker, ports, outputs, database_url=url, catalog=catalog, layout=layout, aws={})
        host, _, port = broker.amqp.rpartition(":")
        engine = connect(url)
        stack.callback(engine.dispose)
        yield World(
            layout=layout,
            broker=broker,
            record=record,
            catalog=catalog,
            engine=engine,
            sink=stack.enter_context(Sink().running()),
            workers_proxy=stack.enter_context(Proxy(host, int(port))),
            load_proxy=stack.enter_context(Proxy(host, int(port))),
            servers=servers,
            settings=settings,
            say=say,
        )


def _server(given: Path | None) -> Path:
    found = given or find_server()
    if found is None:
        raise LocalError("RabbitMQ must be on this machine, got none. Install rabbitmq-server, then try again.")
    return found


def _one_node(layout: Layout, server: Path) -> Broker:
    ports = NodePorts(**dict(zip(("amqp", "management", "distribution", "epmd"), free_ports(4), strict=True)))
    name = f"millrace-{ports.amqp}@localhost"
    settings = ("collect_statistics_interval = 1000",)
    return node_broker(Node(directory=layout.broker, ports=ports, server=server, name=name, settings=settings))


def _impatient(broker: Broker) -> Broker:
    """The broker, which offers a dead letter again to a queue that is back after 2 s instead of three minutes."""
    arguments = {"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-rabbit dead_letter_worker_publisher_confirm_timeout 2000"}
    processes = tuple(
        dataclasses.replace(spec, env={**spec.env, **arguments}) if spec.name.startswith("broker") else spec
        for spec in broker.processes
    )
    return dataclasses.replace(broker, processes=processes)
