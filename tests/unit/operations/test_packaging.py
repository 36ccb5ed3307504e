"""The zip of functions: the same bytes each time, only what is needed, and no wrong pairing."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from millrace.catalog import CATALOG
from millrace.declarations import Catalog, Event, LambdaGroup, Topic
from millrace.events import UserSignedUp

from operations.packaging import Package, WrongPairing, build, packages_of, require_pairing
from tests.integration.workers.functions.catalog import CATALOG as PARTS
from tests.integration.workers.functions.world import HANDLERS

HERE = Package(database=False, libraries=False)


def test_the_same_bytes(tmp_path: Path) -> None:
    """Whenever, and wherever, it is built."""
    first = build(HERE, tmp_path / "a", tmp_path)
    assert first.read_bytes() == build(HERE, tmp_path / "b", tmp_path).read_bytes()


def test_what_is_in_it(tmp_path: Path) -> None:
    """The catalog and the workers; no tests, no infrastructure, no operations."""
    names = zipfile.ZipFile(build(HERE, tmp_path, tmp_path)).namelist()
    assert {"millrace/catalog.py", "workers/aws_lambda.py", "workers/plain_functions/consumer.py"} <= set(names)
    assert {name.partition("/")[0] for name in names} == {"millrace", "workers"}
    assert not [name for name in names if "__pycache__" in name]
    assert names == sorted(names)


def test_it_runs_by_itself(tmp_path: Path) -> None:
    """From the zip's folder, not from the clone."""
    with zipfile.ZipFile(build(HERE, tmp_path, tmp_path)) as archive:
        archive.extractall(tmp_path / "code")
    code = "import workers.aws_lambda, millrace; print(workers.aws_lambda.__file__, millrace.__file__)"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "code")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path)
    assert all(Path(path).is_relative_to(tmp_path / "code") for path in done.stdout.split())


def test_which_are_needed() -> None:
    """The larger one only if a group has its inbox in the database."""
    assert packages_of(CATALOG) == (Package(False),)
    assert packages_of(PARTS, libraries=False) == (Package(False, False), Package(True, False))
    assert {package.name for package in packages_of(PARTS)} == {"functions.zip", "functions-database.zip"}


def test_every_function_of_the_catalog_is_paired_well() -> None:
    """The sample's, and the tests'."""
    require_pairing(CATALOG)
    require_pairing(PARTS, HANDLERS)


def test_a_wrong_pairing() -> None:
    """The handler is named, and what to do."""
    wrong = Catalog(
        events=[Event(UserSignedUp, public=Topic())],
        groups=[],
        functions=[LambdaGroup("signup", handles=[UserSignedUp], longest_runtime=timedelta(seconds=1))],
    )
    with pytest.raises(
        WrongPairing, match=r"signup .*create_account \(user.signed_up\) needs TRANSACTIONAL.*database=True"
    ):
        require_pairing(wrong)
