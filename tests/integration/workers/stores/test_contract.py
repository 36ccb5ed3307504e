"""Each store does what its level promises."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.integration.workers.stack import ROOT
from tests.integration.workers.stores import contract
from tests.integration.workers.stores.bench import Bench
from tests.integration.workers.stores.benches import redis_bench, sql_bench
from tests.integration.workers.stores.own_postgres import crashing_postgres
from tests.redis_server import running_redis
from workers.stores.dynamodb import DynamoStore
from workers.stores.level import Level
from workers.stores.redis import RedisStore
from workers.stores.sql import DatabaseStore, LeaseStore


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_every_store(bench: Bench, check: Callable[[Bench], None]) -> None:
    """What is asked of all."""
    check(bench)


@contextmanager
def killed_holder(url: str, group: str) -> Iterator[None]:
    """A process that has done each step of an event, killed."""
    command = [sys.executable, "-m", "tests.integration.workers.stores.crashing", group]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "STORE_URL": url}, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        ready = holder.stdout.readline()
        holder.kill()
    assert ready == b"ready\n"
    yield


def test_crash_at_each_step(bench: Bench, store_url: str) -> None:
    """kill -9 of a holder: what it had done counts, what it had not committed does not."""
    with killed_holder(store_url, bench.group):
        contract.crash_at_each_step(bench)


def test_levels_are_those_that_the_tests_show() -> None:
    """TRANSACTIONAL and FENCED by the two tests below; DynamoDB is as durable as its provider says."""
    assert DatabaseStore.level is Level.TRANSACTIONAL
    assert {LeaseStore.level, DynamoStore.level} == {Level.FENCED}
    assert RedisStore.level is Level.BEST_EFFORT


def test_transactional(bench: Bench, store_url: str) -> None:
    """Effects, outcome and outbox commit together in the database of the effects; no other store offers it."""
    if store_url.startswith(("dynamodb", "redis")) or "mode=lease" in store_url:
        assert not hasattr(bench.open(), "completing")
    else:
        contract.effects_and_outcome_commit_together(bench)


@pytest.mark.usefixtures("postgres_url")
def test_record_survives_a_crash_of_postgresql() -> None:
    """A server that is killed at once has every claim that it confirmed."""
    with crashing_postgres() as (url, crash), sql_bench(url, LeaseStore) as bench:
        bench.crash = crash
        contract.record_survives_a_crash_of_the_server(bench)


def test_redis_loses_the_record_in_a_crash(redis_program: str) -> None:
    """Why Redis claims no more than BEST_EFFORT: the check of FENCED is red."""
    with ExitStack() as stack:
        server = stack.enter_context(running_redis(redis_program))
        bench = stack.enter_context(redis_bench(server.url))
        bench.crash = lambda: (server.kill(), server.start())  # type: ignore[assignment,func-returns-value]
        with pytest.raises(AssertionError):
            contract.record_survives_a_crash_of_the_server(bench)
