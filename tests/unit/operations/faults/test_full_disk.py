"""A small file system is filled to its last byte; where none may be mounted, or no PostgreSQL is, that is said."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from operations.faults import full_disk
from operations.faults.failover import listening, port_of
from operations.faults.full_disk import data_of, fill, mount, moved_to, server
from operations.faults.scenario import NotHere
from operations.faults.world import World
from operations.local.process_spec import ProcessSpec

ARGV = ("/bin/postgres", "-D", "/somewhere/data", "-c", "port=5432")
SPEC = ProcessSpec(name="postgres", argv=ARGV, cwd="/somewhere")


def test_it_is_filled_to_the_last_byte(tmp_path: Path) -> None:
    place = tmp_path / "small"
    try:
        mount(place, 2)
    except NotHere as error:
        pytest.skip(str(error))
    try:
        fill(place / "filler")
        with pytest.raises(OSError, match="No space left"):
            (place / "more").write_bytes(b"x")
        (place / "filler").unlink()
        (place / "more").write_bytes(b"x")
    finally:
        subprocess.run(["/bin/umount", str(place)], check=True)


def test_a_mount_that_is_refused_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_argv: str) -> None:
        raise subprocess.CalledProcessError(32, "mount", stderr="mount: permission denied.\n")

    monkeypatch.setattr(full_disk, "_run", refused)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(NotHere, match="got: mount: permission denied"):
        mount(tmp_path / "small", 2)


def test_whoever_is_not_root_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotHere, match="needs root"):
        mount(tmp_path / "small", 2)


def test_another_database_has_no_such_fault() -> None:
    with pytest.raises(NotHere, match="must be PostgreSQL"):
        server(cast("World", SimpleNamespace(servers=(ProcessSpec(name="broker", argv=("x",), cwd="/"),))))


def test_a_server_is_the_same_on_other_data_or_another_port() -> None:
    assert data_of(moved_to(SPEC, Path("/small/data"))) == Path("/small/data")
    assert data_of(SPEC) == Path("/somewhere/data")
    assert port_of(SPEC) == 5432
    moved = listening(SPEC, 6000)
    assert port_of(moved) == 6000
    assert moved.argv == (*ARGV[:-1], "port=6000")
