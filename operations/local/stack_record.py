"""What `up` notes about the stack it started, for the commands that talk to it."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

from operations.local.broker import Broker
from operations.local.layout import Layout
from operations.local.rabbitmq_node import write_secret
from operations.local.stack_ports import StackPorts

FLOWER_USER = "millrace"


@dataclass(frozen=True, kw_only=True)
class StackRecord:
    """URLs and credentials of a stack (`stack.json`, readable by its owner only).

    Attributes:
        users: broker user -> password.
        metrics: process -> URL of its metrics.
        aws: LocalStack's endpoint, region and account; or the `problem` for which it is not there; empty if not needed.
    """

    stack: str
    vhost: str
    amqp: str
    management: str
    admin: dict[str, str]
    users: dict[str, str]
    database_url: str
    flower: dict[str, str]
    smtp_url: str
    metrics: dict[str, str] = field(default_factory=dict)
    aws: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int]
    broker_kind: str
    mails: str

    def amqp_url(self, user: str) -> str:
        """The AMQP URL of one of the stack's users."""
        login = f"{quote(user, safe='')}:{quote(self.users[user], safe='')}"
        return f"amqp://{login}@{self.amqp}/{quote(self.vhost, safe='')}"

    def monitoring_url(self, user: str) -> str:
        """The management API's URL of one of the stack's users."""
        scheme, _, address = self.management.partition("://")
        return f"{scheme}://{quote(user, safe='')}:{quote(self.users[user], safe='')}@{address}"

    def save(self, layout: Layout) -> None:
        """Write it, if it is not there already."""
        text = json.dumps(asdict(self), indent=1)
        if not layout.stack.exists() or layout.stack.read_text() != text:
            write_secret(layout.stack, text)


def read_record(layout: Layout) -> dict[str, Any]:
    """What is noted now; empty if no stack was started here."""
    try:
        found: dict[str, Any] = json.loads(layout.stack.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def flower_login(layout: Layout, ports: StackPorts) -> dict[str, str]:
    """Flower's URL and login; the password is made once per directory."""
    path = layout.root / "flower-password"
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(12))
    return {"url": f"http://127.0.0.1:{ports.flower}", "user": FLOWER_USER, "password": path.read_text()}


def admin_of(broker: Broker) -> dict[str, str]:
    """The administrator's login."""
    return {"user": broker.admin_user, "password": broker.admin_password}
