"""The whole program's resources, as the offline engine records them."""

import zipfile
from pathlib import Path

import pytest

from infra.__main__ import declare
from infra.offline_engine import AwsTarget
from infra.offline_engine.recording import record
from infra.settings import Settings
from tests.aws_catalog import CATALOG
from tests.unit.infra.guardrails.breaking import Stack


@pytest.fixture(scope="session")
def whole(config: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Broker and AWS with functions, of a catalog that has everything."""
    folder: Path = tmp_path_factory.mktemp("package")
    with zipfile.ZipFile(folder / "functions.zip", "w") as archive:
        archive.writestr("guide.py", "def lambda_handler(event, context): ...\n")
    aws = AwsTarget(
        endpoint="http://127.0.0.1:1", lambda_service=True, package=str(folder / "functions.zip"), customer_key=True
    )
    program = lambda: declare(CATALOG, Settings.load())  # noqa: E731
    return record(program, stack="test", config=config | aws.config(), known={}).resources
