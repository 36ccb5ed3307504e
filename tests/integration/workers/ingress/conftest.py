"""A stack with a door at AWS per test module, its account and its store fresh for each test."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import boto3
import pytest
from sqlalchemy import delete

from tests.integration.workers.ingress.door import AwsDoor
from tests.integration.workers.ingress.door_catalog import CATALOG
from tests.integration.workers.stack import Stack, prepare_store, until
from tests.localstack_server import Aws
from tests.real_servers import Broker
from workers import egress
from workers.database import begin
from workers.ingress import __main__ as ingress
from workers.service import TROUBLE
from workers.settings import Settings
from workers.tables import accepted, letters

CATALOG_NAME = "tests.integration.workers.ingress.door_catalog:CATALOG"


@pytest.fixture(scope="module")
def stack(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of the catalog with a door at AWS, with a keeper."""
    directory = tmp_path_factory.mktemp("stack")
    name = f"t{uuid.uuid4().hex[:8]}"
    made = Stack(broker, f"sqlite:///{directory / 'millrace.db'}", directory, name, catalog_name=CATALOG_NAME)
    prepare_store(made.database_url)
    made.up(CATALOG)
    made.start_keeper()
    try:
        yield made
    finally:
        made.stop()
        made.destroy()


@pytest.fixture
def door(stack: Stack, aws: Aws) -> AwsDoor:
    """Topics and queues of the stack in a fresh account, and no letter of an earlier test."""
    with stack.engine() as engine, begin(engine) as connection:
        connection.execute(delete(letters))
        connection.execute(delete(accepted))
    made = AwsDoor(aws, stack.vhost, CATALOG)
    made.up()
    return made


@pytest.fixture(autouse=True)
def no_trouble_is_left() -> Iterator[None]:
    """What shows here that a service is in trouble must not show in another test."""
    yield
    TROUBLE.clear()


@dataclass
class Service:
    """The ingress or the egress in this process."""

    stack: Stack
    door: AwsDoor
    monkeypatch: pytest.MonkeyPatch

    def settings(self, purpose: str, *, broker_url: str = "", endpoint: str = "") -> Settings:
        """Its settings; credentials are in the environment."""
        told = self.door.settings()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            self.monkeypatch.setenv(name, told[name])
        self.monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which keeps the credentials of the test before
        return Settings(
            broker_url=broker_url or self.stack.url(purpose),
            database_url=self.stack.database_url,
            catalog=CATALOG_NAME,
            aws_region=told["MILLRACE_AWS_REGION"],
            aws_account=told["MILLRACE_AWS_ACCOUNT"],
            aws_endpoint=endpoint or told["MILLRACE_AWS_ENDPOINT"],
        )

    @contextmanager
    def ingress(self, *, broker_url: str = "", endpoint: str = "") -> Iterator[None]:
        """The ingress at work for as long as a block runs; it must end by itself then."""
        with at_work(ingress.run, self.settings("ingress", broker_url=broker_url, endpoint=endpoint)):
            yield

    @contextmanager
    def egress(self, *, endpoint: str = "") -> Iterator[None]:
        """The egress, likewise."""
        with at_work(egress.run, self.settings("egress", endpoint=endpoint)):
            yield


@contextmanager
def at_work(run: Callable[[Settings, threading.Event], None], settings: Settings) -> Iterator[None]:
    """A service at work in this process."""
    stopping = threading.Event()
    thread = threading.Thread(target=run, args=(settings, stopping))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(30)
        assert not thread.is_alive(), f"{run.__module__} must end"


@pytest.fixture
def service(stack: Stack, door: AwsDoor, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Runs the services of the door in this process."""
    monkeypatch.setattr("workers.ingress.readers.DEAD_LOOK_SECONDS", 0.2)
    monkeypatch.setattr("workers.ingress.readers.INGRESS_POLL_SECONDS", 1)
    return Service(stack, door, monkeypatch)


def empty(door: AwsDoor) -> None:
    """Wait until nothing is left in any queue of the door."""
    until(lambda: not [name for name in door.urls if door.held(name)], what="empty queues at AWS")
