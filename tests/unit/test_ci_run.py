"""What is run before a change is taken: nothing is left out by mistake."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cluster import __main__ as cluster

RUN = Path(__file__).parents[2] / ".ci" / "run"


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def run(tmp_path: Path, answer: int) -> tuple[int, list[str]]:
    """Its exit code, and what it made, where the control plane's program answers so."""
    made = tmp_path / "made"
    (tmp_path / ".ci").mkdir()
    shutil.copy(RUN, tmp_path / ".ci" / "run")
    script(tmp_path / ".venv/bin/python", f"exit {answer}")
    script(tmp_path / "bin/make", f'echo "$1" >> {made}')
    environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    ended = subprocess.run([tmp_path / ".ci" / "run"], env=environment, check=False, capture_output=True)
    return ended.returncode, made.read_text().split()


@pytest.mark.parametrize(
    ("answer", "code", "last"),
    [(0, 0, ["test-kubernetes", "faults"]), (cluster.NOT_THERE, 0, ["test-long", "faults"]), (1, 1, ["test-long"])],
)
def test_only_where_no_control_plane_was_built_it_is_done_without(
    tmp_path: Path, answer: int, code: int, last: list[str]
) -> None:
    ended, made = run(tmp_path, answer)
    assert ended == code
    assert made[-len(last) :] == last
