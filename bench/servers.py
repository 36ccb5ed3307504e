"""The servers of a run: a broker, a durable PostgreSQL and Redis of its own, and the topology of the catalog."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import amqp
import psycopg
from millrace.declarations import Catalog
from millrace.publishing.connection import broker_options
from sqlalchemy import text

from bench.catalog import CATALOG
from bench.handlers import orders
from infra.offline_engine import AwsTarget
from operations.faults.postgres import find_postgres
from tests.integration.workers.stack import Stack, prepare_store
from tests.postgres_server import fresh_database, running_postgres
from tests.real_servers import Broker, own_broker
from tests.redis_server import find_redis, running_redis
from workers.database import begin, connect

_EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}


@dataclass(frozen=True, kw_only=True)
class Servers:
    """What contenders work on; `peers` is the vhost of all but Millrace."""

    stack: Stack
    peers: str
    redis_url: str
    directory: Path

    @property
    def broker(self) -> Broker:
        """The broker."""
        return self.stack.broker

    @property
    def plain_database_url(self) -> str:
        """The database's URL as psycopg takes it."""
        return self.stack.database_url.replace("postgresql+psycopg", "postgresql")

    @contextmanager
    def channel(self, vhost: str) -> Iterator[amqp.Channel]:
        """A channel of the administrator's."""
        with amqp.Connection(**broker_options(self.broker.amqp_url(vhost))) as connection:
            yield connection.channel()

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection]:
        """A connection that commits each statement."""
        with psycopg.connect(self.plain_database_url, autocommit=True) as connection:
            yield connection

    def own_stack(self, name: str, catalog_name: str, handlers: str) -> Stack:
        """One more stack on the same servers, not brought up."""
        directory = self.directory / name
        directory.mkdir(exist_ok=True)
        return Stack(
            self.broker, self.stack.database_url, directory, name, catalog_name=catalog_name, handlers=handlers
        )

    def bring_up(self, stack: Stack, catalog: Catalog, aws: AwsTarget | None = None) -> None:
        """Apply a catalog's topology, and let the administrator send and look."""
        stack.up(catalog, aws)
        with self.broker.management() as client:
            url = f"/api/permissions/{stack.vhost}/{self.broker.admin_user}"
            client.put(url, json=_EVERYTHING).raise_for_status()


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Start them, and end them and all that was started on them."""
    programs = find_postgres()
    if programs is None:
        raise RuntimeError("PostgreSQL's programs must be there (initdb, postgres), got none")
    with ExitStack() as held:
        name = held.enter_context(tempfile.TemporaryDirectory(prefix="millrace-bench-"))
        url = held.enter_context(fresh_database(held.enter_context(running_postgres(programs))))
        broker, _ = held.enter_context(own_broker(Path(name) / "broker"))
        redis = find_redis()
        redis_url = held.enter_context(running_redis(redis, "--appendonly", "yes")).url if redis else ""
        peers = held.enter_context(broker.fresh_vhost())
        _prepare_tables(url)
        handlers = {"catalog_name": "bench.catalog:CATALOG", "handlers": "bench.handlers"}
        stack = Stack(broker, url, Path(name), "bench", **handlers)  # type: ignore[arg-type]
        servers = Servers(stack=stack, peers=peers, redis_url=redis_url, directory=Path(name))
        try:
            servers.bring_up(stack, CATALOG)
            yield servers
        finally:
            stack.destroy()


def _prepare_tables(url: str) -> None:
    prepare_store(url)
    engine = connect(url)
    with begin(engine) as connection:
        orders.metadata.create_all(connection)
        connection.execute(text("create table bench_inbox (event_id text primary key)"))
    engine.dispose()
