"""A stack of its own for each test, applied by the offline engine to the run's RabbitMQ."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from millrace import names
from millrace.catalog import CATALOG
from millrace.declarations import Catalog, Event, Service, WorkerGroup
from millrace.events import AccountCreated, UserSignedUp

from infra import offline_engine
from infra.aws import settings
from infra.offline_engine import AwsTarget, Changes, NotApplied
from operations.local.management import queue_totals
from tests import aws_catalog
from tests.localstack_server import Aws
from tests.real_servers import Broker

#: What most tests of the engine apply, with FEW_LEVELS of delay: a third of the resources of the sample.
SMALL = Catalog(
    events=[Event(UserSignedUp, aliases=["USER_SIGNUP"]), Event(AccountCreated)],
    groups=[WorkerGroup("signup", handles=[UserSignedUp]), WorkerGroup("analytics", handles=[UserSignedUp])],
    services=[Service("web")],
)
FEW_LEVELS = 2


@dataclass(frozen=True, kw_only=True)
class StackUnderTest:
    """One stack at the run's broker, and a client of the management API to meddle with it."""

    name: str
    catalog: Catalog
    broker: Broker
    state_dir: Path
    client: httpx.Client
    aws: AwsTarget | None = None

    @property
    def vhost(self) -> str:
        return names.vhost(self.name)

    @property
    def place(self) -> dict[str, Any]:
        """The arguments that all verbs of the engine take."""
        return {
            "management_url": self.broker.management_url,
            "admin_user": self.broker.admin_user,
            "admin_password": self.broker.admin_password,
            "state_dir": self.state_dir,
            "aws": self.aws,
        }

    def up(self, catalog: Catalog | None = None, **options: Any) -> Changes:
        return offline_engine.up(self.name, catalog=catalog or self.catalog, **self.place, **options)

    def preview(self) -> Changes:
        return offline_engine.preview(self.name, catalog=self.catalog, **self.place)

    def destroy(self, **options: Any) -> Changes:
        return offline_engine.destroy(self.name, **self.place, **options)

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/{path}").raise_for_status().json()

    def delete(self, path: str) -> None:
        self.client.delete(f"/api/{path}").raise_for_status()

    def put(self, path: str, body: dict[str, Any]) -> None:
        self.client.put(f"/api/{path}", json=body).raise_for_status()

    def queues(self) -> dict[str, Any]:
        return queue_totals(self.client, self.vhost)

    def publish(self, key: str, *, exchange: str = names.GROUPS) -> None:
        """Publish a message that a queue must take."""
        body = {"properties": {}, "routing_key": key, "payload": "{}", "payload_encoding": "string"}
        answer = self.client.post(f"/api/exchanges/{self.vhost}/{exchange}/publish", json=body).raise_for_status()
        assert answer.json()["routed"] is True


@pytest.fixture
def stack(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StackUnderTest]:
    """A small stack that nothing was applied to yet; destroyed afterwards."""
    monkeypatch.setattr(names, "DELAY_LEVELS", FEW_LEVELS)
    monkeypatch.setattr(names, "DELAY_ENTRY", names.delay_level(FEW_LEVELS - 1))
    with _fresh_stack(SMALL, broker, tmp_path) as one:
        yield one


@pytest.fixture
def whole_stack(broker: Broker, tmp_path: Path) -> Iterator[StackUnderTest]:
    """A stack of the sample catalog with all its delay levels."""
    with _fresh_stack(CATALOG, broker, tmp_path) as one:
        yield one


@pytest.fixture
def aws_stack(broker: Broker, aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StackUnderTest]:
    """A small stack with a part at AWS, in the account of the test."""
    monkeypatch.setattr(names, "DELAY_LEVELS", FEW_LEVELS)
    monkeypatch.setattr(names, "DELAY_ENTRY", names.delay_level(FEW_LEVELS - 1))
    monkeypatch.setattr(settings, "STAND_IN_ACCOUNTS", settings.STAND_IN_ACCOUNTS | {aws.account})
    target = AwsTarget(endpoint=aws.endpoint, region=aws.region, account=aws.account)
    with _fresh_stack(aws_catalog.CATALOG, broker, tmp_path, target) as one:
        yield one


@contextmanager
def _fresh_stack(
    catalog: Catalog, broker: Broker, directory: Path, aws: AwsTarget | None = None
) -> Iterator[StackUnderTest]:
    """A stack with a name and a state of its own."""
    with broker.management() as client:
        name = f"t{uuid.uuid4().hex[:8]}"
        state = directory / "state"
        one = StackUnderTest(name=name, catalog=catalog, broker=broker, state_dir=state, client=client, aws=aws)
        yield one
        with suppress(NotApplied):
            one.destroy(delete_messages=True)
        client.delete(f"/api/vhosts/{one.vhost}")
