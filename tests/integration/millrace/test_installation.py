"""A service outside this repository: installs only `shared/`, has no Celery and no Pulumi, and publishes."""

import subprocess
import sys
import venv
from pathlib import Path

import millrace
import pytest
from millrace import publishing

from tests.integration.millrace.stack import Stack

SHARED = Path(millrace.__file__).parents[1]

PUBLISH = """
import importlib.util, sys
from millrace.events import UserSignedUp
from millrace.publishing import Publisher
for heavy in ("celery", "kombu", "pulumi", "sqlalchemy"):
    assert heavy not in sys.modules, heavy
    assert importlib.util.find_spec(heavy) is None, heavy
with Publisher(sys.stdin.readline().strip()) as publisher:
    print(publisher.publish(UserSignedUp(user_id="12345")))
"""

IMPORT = """
import sys
import millrace.publishing
print([name for name in ("asyncio", "celery", "kombu", "pulumi", "sqlalchemy") if name in sys.modules])
"""


def test_publishing_imports_nothing_heavy_even_where_it_is_installed() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_imported_later_is_there() -> None:
    assert [getattr(publishing, name).__name__ for name in publishing.__all__] == publishing.__all__
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = publishing.Nothing


@pytest.mark.timeout(300)
def test_a_service_installs_shared_alone_and_publishes(stack: Stack, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    python = str(tmp_path / "venv" / "bin" / "python")
    copy_package(tmp_path / "source")
    pip(tmp_path, "wheel", "--no-deps", "--no-build-isolation", "./source")
    (wheel,) = tmp_path.glob("*.whl")
    pip(tmp_path, "--python", python, "install", f"./{wheel.name}")
    done = subprocess.run(
        [python, "-I", "-c", PUBLISH],
        input=stack.service_url(),
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    (event,) = stack.taken("signup", 1)
    assert (event.id, event.data["user_id"]) == (done.stdout.strip(), "12345")


def pip(directory: Path, *arguments: str) -> None:
    """Run this environment's pip; the new one needs none of its own."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
    assert done.returncode == 0, done.stderr


def copy_package(target: Path) -> None:
    """Copy the distribution's sources, so that building it leaves nothing in the repository."""
    sources = [SHARED / "pyproject.toml", *SHARED.glob("millrace/**/*.py"), SHARED / "millrace" / "py.typed"]
    for path in sources:
        copied = target / path.relative_to(SHARED)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes(path.read_bytes())
