"""Putting together what is noted about a stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from millrace import names
from millrace.declarations import Catalog

from operations.local.broker import Broker
from operations.local.fleet import measured
from operations.local.layout import Layout
from operations.local.ports import LOOPBACK, free_among
from operations.local.stack_ports import StackPorts
from operations.local.stack_record import StackRecord, admin_of, flower_login, read_record

STACK = "dev"


def note(
    broker: Broker,
    ports: StackPorts,
    outputs: Mapping[str, Any],
    *,
    database_url: str,
    catalog: Catalog,
    layout: Layout,
    aws: Mapping[str, str],
) -> StackRecord:
    """The record of a stack whose topology is applied, not saved yet."""
    return StackRecord(
        stack=STACK,
        vhost=names.vhost(STACK),
        amqp=broker.amqp,
        management=broker.management_url,
        admin=admin_of(broker),
        users=outputs["users"],
        database_url=database_url,
        flower=flower_login(layout, ports),
        smtp_url=f"smtp://{LOOPBACK}:{ports.smtp}",
        metrics=_metrics(ports, measured(catalog, with_aws="endpoint" in aws), layout),
        aws=dict(aws),
        ports=asdict(ports),
        broker_kind=broker.kind,
        mails=str(layout.mails.resolve()),
    )


def _metrics(ports: StackPorts, wanted: Sequence[str], layout: Layout) -> dict[str, str]:
    # Those that run keep their port: a group added in between must not move (and so restart) the others.
    kept = {name: url for name, url in read_record(layout).get("metrics", {}).items() if name in wanted}
    taken = {int(url.rpartition(":")[2]) for url in kept.values()}
    new = [name for name in wanted if name not in kept]
    found = free_among(ports.metrics, len(new), taken)
    return {**kept, **{name: f"http://{LOOPBACK}:{port}" for name, port in zip(new, found, strict=True)}}
