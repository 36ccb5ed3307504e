"""What is in the image works: a worker handles an event, Flower answers, nothing is missing and nothing too much."""

import uuid
from collections.abc import Iterator

import httpx
import pytest
from millrace.catalog import CATALOG
from millrace.events import UserSignedUp
from millrace.publishing import Publisher
from sqlalchemy import select

from operations.local.ports import free_ports
from tests.integration.image.container import Container
from tests.integration.workers.stack import Stack, until
from tests.real_servers import Broker
from workers.handlers._tables import accounts

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # the environment is made once, from the package index

PYTHON = ("python", "-c")
LOGIN = ("millrace", "a-long-password")
#: All but alembic's own script, which runs within a migration only.
IMPORT_ALL = """
import importlib, pkgutil
for root in ("millrace", "workers", "operations"):
    for found in pkgutil.walk_packages(importlib.import_module(root).__path__, f"{root}."):
        if found.name != "workers.migrations.env":
            importlib.import_module(found.name)
"""
FIND_NONE = """
import importlib.util, sys
found = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
sys.exit(f"found {found}" if found else 0)
"""


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """The image, which nothing writes to."""
    container = Container.of(tmp_path_factory.mktemp("an image"))
    before = container.contents()
    try:
        yield container
        assert container.contents() == before
    finally:
        container.stop()


@pytest.fixture(scope="module")
def stack(broker: Broker, container: Container) -> Iterator[Stack]:
    """The sample's stack, its store made by the image itself."""
    database = f"sqlite:///{container.writable / 'millrace.db'}"
    stack = Stack(broker, database, container.writable, f"i{uuid.uuid4().hex[:8]}")
    container.run("workers.migrate", MILLRACE_DATABASE_URL=database)
    stack.up(CATALOG)
    try:
        yield stack
    finally:
        container.stop()
        stack.destroy()


def test_a_worker_handles_an_event_and_ends_well(container: Container, stack: Stack) -> None:
    worker = container.start(
        "workers",
        "signup",
        log="signup.log",
        MILLRACE_BROKER_URL=stack.url("group.signup"),
        MILLRACE_DATABASE_URL=stack.database_url,
        MILLRACE_MONITORING_URL=stack.monitoring_url,
    )
    try:
        stack.consuming("signup")
        with Publisher(stack.url("service.web"), source="/web", catalog=CATALOG) as publisher:
            event_id = publisher.publish(UserSignedUp(user_id="u-1", email="u@example.com"))
        until(lambda: stack.outcome("signup", event_id) == "processed", what="the event processed")
        assert [row.user_id for row in stack.rows(select(accounts.c.user_id))] == ["u-1"]
        worker.terminate()
        assert worker.wait(30) == 0
    except BaseException:
        print(container.log("signup.log"))
        raise


def test_flower_answers_behind_its_login(container: Container, stack: Stack) -> None:
    (port,) = free_ports(1)
    flower = container.start(
        "operations.flower",
        log="flower.log",
        MILLRACE_BROKER_URL=stack.url("flower"),
        FLOWER_BASIC_AUTH=":".join(LOGIN),
        FLOWER_PORT=str(port),
    )

    def answer(login: tuple[str, str] | None) -> int:
        assert flower.poll() is None, container.log("flower.log")
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthcheck", auth=login, trust_env=False).status_code
        except httpx.TransportError:
            return 0

    until(lambda: answer(LOGIN) == httpx.codes.OK, what="Flower's answer")
    assert answer(None) == httpx.codes.UNAUTHORIZED
    flower.terminate()
    assert flower.wait(30) == 0


def test_every_module_finds_what_it_imports(container: Container) -> None:
    container.run(IMPORT_ALL, entrypoint=PYTHON)


def test_what_declares_and_tests_is_not_there(container: Container) -> None:
    container.run(FIND_NONE, "infra", "tests", "bench", "pulumi", "kubernetes", "pytest", "pip", entrypoint=PYTHON)


def test_its_user_is_nobody_and_can_write_to_tmpdir_only(container: Container) -> None:
    container.run("import os, sys; sys.exit(os.getuid() == 0)", entrypoint=PYTHON)
    refused = "import os, sys\ntry: open(os.path.join(sys.argv[1], 'x'), 'w')\nexcept OSError: sys.exit(0)\nsys.exit(1)"
    for folder in (container.image.inside("/app"), container.image.inside("/opt"), "/"):
        container.run(refused, folder, entrypoint=PYTHON)
    container.run("import tempfile; tempfile.TemporaryFile()", entrypoint=PYTHON)


def test_without_a_module_it_says_how_it_is_used(container: Container) -> None:
    process = container.start(*container.image.start["CMD"], log="usage.log")
    assert process.wait(60) == 64  # EX_USAGE
    assert "usage: python -m workers GROUP" in container.log("usage.log")
