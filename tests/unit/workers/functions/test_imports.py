"""A function with its inbox in DynamoDB starts quickly: it loads no library that it has no use for."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("celery", "kombu", "amqp", "sqlalchemy", "pulumi", "psycopg", "prometheus_client")
CODE = "import sys, workers.aws_lambda, {module}; print([name for name in {heavy!r} if name in sys.modules])"


DATABASE = {"sqlalchemy", "psycopg"}


@pytest.mark.parametrize("module", ["workers.handlers.audit", "tests.integration.workers.functions.handlers.parts"])
def test_what_is_loaded(module: str) -> None:
    """None of them, in a fresh interpreter."""
    code = CODE.format(module=module, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_loaded_with_a_database() -> None:
    """Its library, and no more."""
    code = CODE.format(module="workers.functions.database_inbox", heavy=tuple(set(HEAVY) - DATABASE))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
