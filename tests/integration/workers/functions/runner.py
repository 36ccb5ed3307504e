"""The local runner of functions, with the tests' own catalog and handlers in the package."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from operations.local.layout import REPOSITORY
from operations.packaging import Package, build
from tests.integration.workers.functions.world import CATALOG_PLACE, HANDLERS, VHOST
from tests.localstack_server import Aws

HERE = "tests/integration/workers/functions"
#: Of the tests, what a function needs.
PARTS = ("tests", "tests/integration", "tests/integration/workers", HERE, f"{HERE}/handlers")


def package(directory: Path) -> Path:
    """The repository's zip with the tests' catalog and handlers in it."""
    archive = build(Package(database=False, libraries=False), directory, directory)
    with zipfile.ZipFile(archive, "a") as packed:
        for part in PARTS:
            packed.writestr(f"{part}/__init__.py", "")
        for path in (REPOSITORY / HERE / "catalog.py", *(REPOSITORY / HERE / "handlers").glob("[a-z]*.py")):
            packed.write(path, path.relative_to(REPOSITORY).as_posix())
    return archive


def environment(aws: Aws, archive: Path, more: Mapping[str, str]) -> dict[str, str]:
    """What the runner is started with."""
    place = {
        "MILLRACE_VHOST": VHOST,
        "MILLRACE_AWS_ENDPOINT": aws.endpoint,
        "MILLRACE_AWS_ACCOUNT": aws.account,
        "MILLRACE_CATALOG": CATALOG_PLACE,
        "MILLRACE_HANDLERS": HANDLERS,
        "MILLRACE_PACKAGE": str(archive),
    }
    return {**os.environ, **place, **more}


@contextmanager
def running(aws: Aws, function: str, directory: Path, **more: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run the runner; gives its process and its log."""
    log = directory / f"{function}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "operations.local.lambda_runner", function],
            cwd=REPOSITORY,
            env=environment(aws, package(directory), more),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process, log
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
