"""The processes of a stack, from its catalog: workers, scaler, relay, keeper, mail sink, Flower, the AWS door."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from millrace import names
from millrace.declarations import Catalog, WorkerGroup
from millrace.derived import timing

from operations.local.layout import REPOSITORY, Layout
from operations.local.localstack import credentials
from operations.local.numbers import SCALER
from operations.local.process_spec import ProcessSpec
from operations.local.stack_record import StackRecord

RELAY, KEEPER, MAIL_SINK, FLOWER = "relay", "keeper", "mail-sink", "flower"
#: What runs at the AWS door, where it is open: each with its module, and as which user it talks to the broker.
AWS_DOOR = {
    "ingress": ("workers.ingress", "ingress"),
    "egress": ("workers.egress", "egress"),
    "dynamo-relay": ("workers.dynamo_relay", "relay"),
}

#: Passed on to every process, so that all see the same catalog.
_PASSED_ON = ("MILLRACE_CATALOG", "MILLRACE_HANDLERS", "MILLRACE_CONCURRENCY", "MILLRACE_RETENTION_DAYS")


def worker_name(group: str, replica: int = 1) -> str:
    """The name of a group's worker; a dot is in no group's name."""
    return f"worker-{group}" if replica == 1 else f"worker-{group}.{replica}"


def worker_names(group: WorkerGroup) -> list[str]:
    """The names of all workers that a group may have."""
    return [worker_name(group.name, replica) for replica in range(1, group.replicas[1] + 1)]


def function_name(function: str) -> str:
    """The name of the process that runs a function."""
    return f"function-{function}"


def measured(catalog: Catalog, *, with_aws: bool) -> list[str]:
    """The processes that have a metrics port."""
    workers = [name for group in catalog.groups for name in worker_names(group)]
    return [*workers, RELAY, KEEPER, SCALER, *(AWS_DOOR if with_aws else ())]


def fleet(catalog: Catalog, record: StackRecord, layout: Layout, environment: Mapping[str, str]) -> list[ProcessSpec]:
    """Every process but the broker's."""
    workers = source_version(REPOSITORY / "shared" / "millrace", REPOSITORY / "workers")
    passed_on = {name: environment[name] for name in _PASSED_ON if environment.get(name)}
    store = {"MILLRACE_DATABASE_URL": record.database_url, **passed_on}

    def process(name: str, module: str, *arguments: str, env: dict[str, str], **more: float | str) -> ProcessSpec:
        settings = {"version": workers, **more}
        if name in record.metrics:
            env = {**env, "MILLRACE_METRICS_PORT": str(urlsplit(record.metrics[name]).port)}
        argv = (sys.executable, "-m", module, *arguments)
        return ProcessSpec(name=name, argv=argv, cwd=str(REPOSITORY), env=env, **settings)  # type: ignore[arg-type]

    def user(purpose: str) -> dict[str, str]:
        return {"MILLRACE_BROKER_URL": record.amqp_url(names.own_user(record.vhost, purpose))}

    monitoring = {"MILLRACE_MONITORING_URL": record.monitoring_url(names.own_user(record.vhost, "monitor"))}
    specs = [
        process(MAIL_SINK, "operations.local.mail_sink", env=_mail_sink_env(record), version=_sink_version()),
        process(RELAY, "workers.relay", env={**store, **user("relay")}),
        process(KEEPER, "workers.keeper", env={**store, **user("keeper")}),
        # The keeper's user may ask how much waits in the groups' queues, at once; the broker's statistics are late.
        process(
            SCALER,
            "operations.local.scaler",
            str(layout.root.resolve()),
            env={**store, **user("keeper"), **monitoring},
            version=_scaler_version(catalog),
        ),
    ]
    for group in catalog.groups:
        broker_url = record.amqp_url(names.group_user(record.vhost, group.name))
        env = {**store, **monitoring, "MILLRACE_BROKER_URL": broker_url, "MILLRACE_SMTP_URL": record.smtp_url}
        grace = timing(group).grace
        for replica, name in enumerate(worker_names(group), start=1):
            worker = process(name, "workers", group.name, env=env, grace=grace, replica_of=group.name)
            specs.append(replace(worker, replica=replica, at_first=replica <= group.replicas[0]))
    if "endpoint" in record.aws:
        aws = {
            **credentials(record.aws["account"]),
            "MILLRACE_AWS_REGION": record.aws["region"],
            "MILLRACE_AWS_ACCOUNT": record.aws["account"],
            "MILLRACE_AWS_ENDPOINT": record.aws["endpoint"],
        }
        for name, (module, who) in AWS_DOOR.items():
            specs.append(process(name, module, env={**store, **user(who), **aws}))
        for function in catalog.functions:
            name = function_name(function.name)
            env = {**store, **aws, "MILLRACE_VHOST": record.vhost}
            specs.append(process(name, "operations.local.lambda_runner", function.name, env=env))
    flower_env = {**user("flower"), **_flower_env(record, layout), **passed_on}
    specs.append(
        process(FLOWER, "operations.flower", env=flower_env, version=_flower_version(), stop_rank=5, grace=3.0)
    )
    return specs


def _mail_sink_env(record: StackRecord) -> dict[str, str]:
    return {
        "MILLRACE_MAIL_SINK_PORT": str(urlsplit(record.smtp_url).port),
        "MILLRACE_MAIL_SINK_FILE": record.mails,
    }


def _flower_env(record: StackRecord, layout: Layout) -> dict[str, str]:
    return {
        "FLOWER_BASIC_AUTH": f"{record.flower['user']}:{record.flower['password']}",
        "FLOWER_PORT": str(urlsplit(record.flower["url"]).port),
        "FLOWER_ADDRESS": "127.0.0.1",
        "MILLRACE_LOCAL_DIRECTORY": str(layout.root.resolve()),
    }


def _sink_version() -> str:
    return source_version(REPOSITORY / "operations" / "local" / "mail_sink.py")


def _scaler_version(catalog: Catalog) -> str:
    """It reads its catalog once, wherever that lies."""
    operations = REPOSITORY / "operations"
    local = [operations / "local" / name for name in ("scaler.py", "loads.py", "numbers.py")]
    code = source_version(REPOSITORY / "shared" / "millrace", *local, operations / "queue_numbers.py")
    return f"{code}-{hashlib.sha256(repr(catalog.groups).encode()).hexdigest()[:8]}"


def _flower_version() -> str:
    operations = REPOSITORY / "operations"
    return source_version(REPOSITORY / "shared" / "millrace", operations / "flower")


def source_version(*places: Path) -> str:
    """A text that changes when a Python file at one of the places does."""
    total = hashlib.sha256()
    for path in _python_files(places):
        total.update(os.fsencode(path.relative_to(REPOSITORY)) + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def _python_files(places: Iterable[Path]) -> list[Path]:
    return sorted({file for place in places for file in ([place] if place.is_file() else place.rglob("*.py"))})
