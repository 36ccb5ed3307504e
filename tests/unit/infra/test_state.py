"""The state file: whole or not at all, for its owner only, locked while in use."""

import json
import stat
from pathlib import Path

import pytest

from infra.offline_engine.errors import Busy, EngineError
from infra.offline_engine.recording import RANDOM_PASSWORD
from infra.offline_engine.resources import Resource
from infra.offline_engine.state import State, load, locked, save, state_file

KEPT = State(
    cluster="here",
    resources=(
        Resource(urn="urn:p", type=RANDOM_PASSWORD, name="p", inputs={"result": "secret"}, dependencies=("urn:x",)),
    ),
    outputs={"vhost": "v"},
)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save(KEPT, "dev", tmp_path)
    assert load("dev", tmp_path) == KEPT
    assert KEPT.passwords() == {"p": "secret"}
    assert load("other", tmp_path) is None


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    save(KEPT, "dev", tmp_path)
    assert stat.S_IMODE(state_file("dev", tmp_path).stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(KEPT, "dev", tmp_path)

    def broken(_handle: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("infra.offline_engine.state.os.fsync", broken)
    with pytest.raises(OSError, match="no space"):
        save(State(), "dev", tmp_path)
    assert load("dev", tmp_path) == KEPT
    assert [path.name for path in tmp_path.iterdir()] == ["dev.json"]


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    state_file("dev", tmp_path).write_text(json.dumps({"version": 99}))
    with pytest.raises(EngineError, match="version must be 1, got 99"):
        load("dev", tmp_path)


def test_the_lock_is_held_by_one_and_freed(tmp_path: Path) -> None:
    with locked("dev", tmp_path):
        with locked("other", tmp_path):
            pass
        with pytest.raises(Busy, match="'dev' is being changed by process"), locked("dev", tmp_path):
            pass
    with locked("dev", tmp_path):
        pass
