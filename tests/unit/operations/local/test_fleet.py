"""The fleet follows the catalog, and is told apart by its source."""

from __future__ import annotations

from pathlib import Path

import pytest
from millrace import names
from millrace.catalog import CATALOG
from millrace.derived import timing

from operations.local import fleet as fleet_module
from operations.local.broker import given_broker
from operations.local.fleet import fleet, source_version, worker_name
from operations.local.layout import Layout
from operations.local.noting import note
from operations.local.process_spec import ProcessSpec
from operations.local.stack_ports import StackPorts
from operations.local.stack_record import StackRecord

VHOST = names.vhost("dev")


@pytest.fixture
def record(tmp_path: Path) -> StackRecord:
    users = [names.own_user(VHOST, purpose) for purpose in ("relay", "keeper", "monitor", "flower")]
    users += [names.group_user(VHOST, group.name) for group in CATALOG.groups]
    outputs = {"vhost": VHOST, "users": {user: f"pw of {user}" for user in users}}
    broker = given_broker("amqp://a:b@127.0.0.1:5682", None)
    url = f"sqlite:///{tmp_path}/millrace.db"
    return note(broker, StackPorts(), outputs, database_url=url, catalog=CATALOG, layout=Layout(tmp_path), aws={})


def specs(record: StackRecord, tmp_path: Path) -> dict[str, ProcessSpec]:
    return {spec.name: spec for spec in fleet(CATALOG, record, Layout(tmp_path), {"MILLRACE_CONCURRENCY": "3"})}


def test_every_group_has_a_worker_with_its_own_user_and_grace(record: StackRecord, tmp_path: Path) -> None:
    found = specs(record, tmp_path)
    workers = [(group, n) for group in CATALOG.groups for n in range(1, group.replicas[1] + 1)]
    for group, number in workers:
        worker = found[worker_name(group.name, number)]
        assert (worker.replica_of, worker.replica) == (group.name, number)
        assert worker.at_first == (number <= group.replicas[0])
        assert worker.argv[1:] == ("-m", "workers", group.name)
        assert worker.env["MILLRACE_BROKER_URL"] == record.amqp_url(names.group_user(VHOST, group.name))
        assert worker.env["MILLRACE_CONCURRENCY"] == "3"
        assert worker.grace == timing(group).grace
    assert set(found) == {worker_name(group.name, number) for group, number in workers} | {
        "relay",
        "keeper",
        "scaler",
        "mail-sink",
        "flower",
    }


def test_each_measured_process_has_a_metrics_port_of_its_own(record: StackRecord, tmp_path: Path) -> None:
    found = [spec.env.get("MILLRACE_METRICS_PORT") for spec in specs(record, tmp_path).values()]
    measured = [port for port in found if port]
    assert len(set(measured)) == len(measured) == sum(group.replicas[1] for group in CATALOG.groups) + 3


def test_passwords_with_signs_survive_the_url(record: StackRecord) -> None:
    assert f"pw%20of%20{VHOST}" in record.amqp_url(names.own_user(VHOST, "relay"))


def test_a_spec_survives_the_file(record: StackRecord, tmp_path: Path) -> None:
    for spec in specs(record, tmp_path).values():
        assert ProcessSpec.from_json(spec.to_json()) == spec


def test_the_version_follows_the_source_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_module, "REPOSITORY", tmp_path)
    module = tmp_path / "workers" / "a.py"
    module.parent.mkdir()
    module.write_text("A = 1\n")
    first = source_version(module.parent)
    (module.parent / "note.txt").write_text("no code")
    assert source_version(module.parent) == first
    module.write_text("A = 2\n")
    second = source_version(module.parent)
    module.rename(module.with_name("b.py"))
    assert len({first, second, source_version(module.parent)}) == 3
