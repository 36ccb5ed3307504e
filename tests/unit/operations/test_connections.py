"""Where things are: environment before the local stack."""

import json
from pathlib import Path

import pytest

from operations.connections import Connections, NotRunning, catalog, connections

STACK = {
    "vhost": "millrace-dev",
    "amqp": "127.0.0.1:5673",
    "management": "http://127.0.0.1:15673",
    "admin": {"user": "admin", "password": "a/b"},
    "users": {"millrace-dev.service.web": "p@ss", "millrace-dev.monitor": "m"},
    "database_url": "postgresql+psycopg://x",
}


def of(**environment: str) -> Connections:
    return Connections(environment=environment, stack=STACK)


def test_the_local_stack() -> None:
    where = of()
    assert where.broker_url("millrace-dev.service.web") == (
        "amqp://millrace-dev.service.web:p%40ss@127.0.0.1:5673/millrace-dev"
    )
    assert where.monitoring_url() == "http://millrace-dev.monitor:m@127.0.0.1:15673"
    assert where.admin_url() == "http://admin:a%2Fb@127.0.0.1:15673"
    assert where.database_url() == "postgresql+psycopg://x"


def test_the_environment_goes_first() -> None:
    where = of(
        MILLRACE_BROKER_URL="amqp://u:p@other:5672/prod",
        MILLRACE_MONITORING_URL="http://u:p@other:15672",
        MILLRACE_DATABASE_URL="postgresql+psycopg://y",
    )
    assert (where.vhost, where.broker_url("any")) == ("prod", "amqp://u:p@other:5672/prod")
    assert where.monitoring_url() == where.admin_url() == "http://u:p@other:15672"
    assert where.database_url() == "postgresql+psycopg://y"


def test_the_broker_that_the_stack_was_put_on_is_the_stacks() -> None:
    where = of(MILLRACE_BROKER_URL="amqp://admin:x@127.0.0.1:5673")
    assert where.vhost == "millrace-dev"
    assert "millrace-dev.service.web" in where.broker_url("millrace-dev.service.web")


def test_no_stack_says_what_to_do(tmp_path: Path) -> None:
    where = connections({}, tmp_path)
    with pytest.raises(NotRunning, match="make up"):
        _ = where.vhost
    with pytest.raises(NotRunning, match="make up"):
        where.database_url()
    with pytest.raises(NotRunning, match="make up"):
        where.broker_url("x")
    with pytest.raises(NotRunning, match="make up"):
        where.monitoring_url()


def test_the_stack_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(json.dumps(STACK))
    assert connections({}, tmp_path).vhost == "millrace-dev"


def test_a_database_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(NotRunning, match="make up"):
        _ = of(MILLRACE_DATABASE_URL=f"sqlite:///{path}").database_url()
    assert not path.exists()


def test_the_catalog_can_be_another() -> None:
    assert catalog({}).groups
    with pytest.raises(NotRunning, match="must name a Catalog"):
        catalog({"MILLRACE_CATALOG": "millrace.catalog:seconds"})
