"""A group asleep wakes, grows, ends what it runs and sleeps again: the whole stack, for real."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from millrace import Payload, names
from millrace.derived import polling, timing
from millrace.publishing import Publisher
from sqlalchemy import Engine, create_engine, func, select

from operations.cli import cli
from operations.local.daemon import running
from operations.local.layout import Layout
from operations.local.numbers import read_numbers, set_by_hand
from operations.local.rabbitmq_install import find_server
from operations.local.stack import down, up
from operations.local.stack_record import StackRecord
from tests.integration.operations.local.scaled_catalog import CATALOG, Kept, Ticked, Waited
from tests.integration.operations.local.scaled_handlers import EFFECTS
from tests.integration.operations.local.test_stack import some_ports, until
from tests.real_servers import missing

pytestmark = pytest.mark.long

PLACE = __name__.rpartition(".")[0]
SETTINGS = {"MILLRACE_CATALOG": f"{PLACE}.scaled_catalog:CATALOG", "MILLRACE_HANDLERS": f"{PLACE}.scaled_handlers"}
TICKS, *_ = CATALOG.groups


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """A stack whose groups sleep, and what they have done."""

    layout: Layout
    record: StackRecord
    engine: Engine

    def publish(self, *events: Payload) -> list[str]:
        url = self.record.amqp_url(names.service_user(self.record.vhost, "load"))
        with Publisher(url, catalog=CATALOG, source="/test") as publisher:
            return publisher.publish_many(events)

    def effects(self, ids: list[str]) -> list[Any]:
        with self.engine.begin() as connection:
            wanted = set(ids)
            return [row for row in connection.execute(select(EFFECTS)) if row.event_id in wanted]

    def count(self) -> int:
        with self.engine.begin() as connection:
            return int(connection.execute(select(func.count()).select_from(EFFECTS)).scalar_one())

    def workers(self, group: str) -> int:
        """The workers of a group, those that are ending too."""
        return sum(status.name.startswith(f"worker-{group}") for status in running(self.layout).processes)

    def log(self, process: str) -> str:
        path = self.layout.log(process)
        return path.read_text() if path.exists() else ""


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaled]:
    if find_server() is None:
        missing("RabbitMQ", "`make test` as root installs it; else install rabbitmq-server.")
    layout = Layout(tmp_path_factory.mktemp("scaled") / ".local")
    environment = {"MILLRACE_ENGINE": "offline", "MILLRACE_AWS": "off", **SETTINGS, **some_ports()}
    record = up(print, catalog=CATALOG, layout=layout, environment=environment)
    engine = create_engine(record.database_url)
    EFFECTS.metadata.create_all(engine)
    yield Scaled(layout=layout, record=record, engine=engine)
    engine.dispose()
    down(print, layout=layout)


@pytest.mark.timeout(300)
def test_from_zero_to_the_most_and_back(scaled: Scaled) -> None:
    """5,000 events at once: the first is handled soon, each once; none runs when the cool-down is over."""
    assert scaled.workers("ticks") == 0
    begun = time.time()
    ids = scaled.publish(*[Ticked(number=number) for number in range(5_000)])
    most = 0

    def all_handled() -> bool:
        nonlocal most
        most = max(most, scaled.workers("ticks"))
        return scaled.count() >= len(ids)

    until(all_handled, 200)
    found = scaled.effects(ids)
    handled = time.time()
    assert sorted(row.event_id for row in found) == sorted(ids)
    assert most == TICKS.replicas[1] == len({row.process for row in found})
    print(f"first after {min(row.at for row in found) - begun:.1f} s, all after {handled - begun:.1f} s")
    until(lambda: scaled.workers("ticks") == 0, timing(TICKS).cool_down + 2 * polling(TICKS) + timing(TICKS).grace)
    slept = time.time() - max(row.at for row in found)
    print(f"asleep {slept:.1f} s after the last")
    # It runs from the last look at the queue that found something, which is up to one look and a half before.
    assert slept >= timing(TICKS).cool_down - 1.5 * polling(TICKS)


@pytest.mark.timeout(200)
def test_what_runs_for_half_a_minute_is_finished_where_it_began(scaled: Scaled) -> None:
    """Both workers are told to end in the middle; the long events are not given to another, and what waits is kept."""
    set_by_hand(scaled.layout, "waits", 2)
    until(lambda: scaled.log("worker-waits.2").count("ready.") > 0)
    ids = scaled.publish(*[Waited(seconds=30) for _ in range(4)])
    until(lambda: read_numbers(scaled.layout)["waits"].number == 2)
    until(lambda: unacknowledged(scaled) == len(ids))
    set_by_hand(scaled.layout, "waits", 0)
    until(lambda: any(status.state == "stopping" for status in running(scaled.layout).processes), 5)
    more = scaled.publish(Waited(seconds=0.1))
    until(lambda: scaled.workers("waits") == 0, 60)
    found = scaled.effects(ids)
    assert sorted(row.event_id for row in found) == sorted(ids)
    assert {row.attempt for row in found} == {1}
    assert len({row.process for row in found}) == 2
    assert scaled.effects(more) == [], "none runs, it waits"
    set_by_hand(scaled.layout, "waits", None)
    until(lambda: len(scaled.effects(more)) == 1, 60)
    assert "redelivered" not in scaled.log("worker-waits")


def test_a_worker_that_uses_too_much_memory_is_replaced(scaled: Scaled) -> None:
    """When it has finished what it runs; it says so, and so does the supervisor."""
    ids = scaled.publish(*[Kept(mebibytes=25) for _ in range(12)])
    until(lambda: "too much memory, ending" in scaled.log("worker-keeps"), 60)
    until(lambda: scaled.log("supervisor").count("worker-keeps started") >= 2, 60)
    ids += scaled.publish(Kept(mebibytes=1))
    until(lambda: len(scaled.effects(ids)) >= len(ids), 60)
    assert sorted(row.event_id for row in scaled.effects(ids)) == sorted(ids)
    said = "worker-keeps (died after .* exit code 0; starting it again|ended by itself after)"
    assert re.search(said, scaled.log("supervisor"))


def unacknowledged(scaled: Scaled) -> int:
    """As the broker's statistics have it."""
    login = (scaled.record.admin["user"], scaled.record.admin["password"])
    url = f"{scaled.record.management}/api/queues/{scaled.record.vhost}/waits"
    return int(httpx.get(url, auth=login).json().get("messages_unacknowledged", 0))


def test_the_command_shows_and_sets(scaled: Scaled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operations.connections.STATE_DIRECTORY", scaled.layout.root)
    monkeypatch.setenv("MILLRACE_CATALOG", SETTINGS["MILLRACE_CATALOG"])

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, arguments)
        return done.exit_code, done.output

    code, shown = run("scale", "--json")
    assert code == 0
    assert set(json.loads(shown)) == {"ticks", "waits", "keeps"}
    assert json.loads(shown)["ticks"]["largest"] == 4
    assert run("scale", "ticks", "1")[0] == 0
    until(lambda: scaled.workers("ticks") == 1, 10)
    until(lambda: json.loads(run("scale", "ticks", "--json")[1])["ticks"]["by_hand"], 10)
    code, shown = run("status")
    assert "workers of ticks: 1 by hand, until `millrace scale ticks auto`" in shown
    assert run("scale", "ticks", "auto")[0] == 0
    code, said = run("scale", "ticks", "5")
    assert (code, "the number must be auto, or 0 to 4" in said) == (2, True)
    code, said = run("scale", "nobody", "1")
    assert (code, "there are ticks, waits, keeps" in said) == (2, True)
