"""The world of a function."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.workers.functions.world import World, world
from tests.localstack_server import Aws


@pytest.fixture
def parts(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The function `parts`, called in this process."""
    with world(aws, "parts", tmp_path) as made:
        for name, value in {**aws.environment, "MARKS": str(made.marks)}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # it has the account of the test before
        yield made
