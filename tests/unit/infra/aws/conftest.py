"""The program's part at AWS as Pulumi's mock interface sees it."""

import zipfile
from collections.abc import Callable, Hashable
from pathlib import Path

import pytest
from millrace.declarations import Catalog

from infra.__main__ import declare
from infra.offline_engine import AwsTarget
from infra.offline_engine.recording import Recording, record
from infra.settings import Settings
from tests.aws_catalog import CATALOG

Record = Callable[..., Recording]


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A zip like the one that the build makes; the one for groups with a database lies beside it."""
    folder: Path = tmp_path_factory.mktemp("package")
    for name in ("functions.zip", "functions-database.zip"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("guide.py", "def lambda_handler(event, context): ...\n")
    return str(folder / "functions.zip")


@pytest.fixture(scope="session")
def recorded(config: dict[str, str]) -> Record:
    """Runs the program over a catalog against a stand-in for AWS, once for the same; nothing is reached."""
    done: dict[Hashable, tuple[Catalog, Recording]] = {}

    def run(catalog: Catalog = CATALOG, **target: str | bool) -> Recording:
        at = AwsTarget(endpoint="http://127.0.0.1:1", **target)  # type: ignore[arg-type]
        program = lambda: declare(catalog, Settings.load())  # noqa: E731
        asked = (id(catalog), *sorted(target.items()))
        if asked not in done:
            # The catalog is kept, too: its id must not become another's.
            done[asked] = catalog, record(program, stack="test", config=config | at.config(), known={})
        return done[asked][1]

    return run


@pytest.fixture(scope="session", params=["without Lambda", "with Lambda", "with a key of its own"])
def any_recording(request: pytest.FixtureRequest, recorded: Record, package: str) -> Recording:
    """The whole catalog, on each kind of stack."""
    if request.param == "without Lambda":
        return recorded()
    return recorded(lambda_service=True, package=package, customer_key=request.param == "with a key of its own")
