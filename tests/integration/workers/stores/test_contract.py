"""Each store does what its level promises, and one that does less is found out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from tests.dynamodb_server import fresh_table
from tests.integration.workers.sample_handlers import effects
from tests.integration.workers.stack import ROOT
from tests.integration.workers.stores import contract
from tests.integration.workers.stores.benches import Bench, bench_at, claimed, dynamodb_bench, redis_bench, sql_bench
from tests.integration.workers.stores.contract import CHECKS, LEVEL_CHECKS
from tests.real_servers import missing
from workers import inbox
from workers.inbox import Claim, Duplicate, Exhausted
from workers.stores.level import Level
from workers.stores.store import DONE, INTENDED, Call


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_store(bench: Bench, check: Callable[[Bench], None]) -> None:
    """What is asked of all."""
    check(bench)
