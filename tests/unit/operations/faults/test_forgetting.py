"""The Redis that forgets: on loopback, with a password that no command line shows, and nothing on disk."""

import shutil
from pathlib import Path

import pytest
from millrace.declarations import WorkerGroup

from operations.faults import forgetting
from operations.faults.forgetting import redis_process
from operations.faults.sample import CATALOG
from operations.faults.scenario import NotHere
from workers.handling import StoreTooWeak, load_handlers, require_level
from workers.stores.level import Level


def test_it_keeps_nothing_and_shows_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: "/bin/redis-server")
    spec = redis_process(tmp_path, 7000, "secret-word")
    settings = dict(line.split(maxsplit=1) for line in (tmp_path / "redis.conf").read_text().splitlines())
    assert (settings["bind"], settings["port"], settings["requirepass"]) == ("127.0.0.1", "7000", "secret-word")
    assert (settings["save"], settings["appendonly"], settings["maxmemory-policy"]) == ('""', "no", "noeviction")
    assert (tmp_path / "redis.conf").stat().st_mode & 0o077 == 0
    assert not any("secret-word" in part for part in (*spec.argv, *spec.env.values()))


def test_without_redis_it_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(NotHere, match="install redis-server"):
        redis_process(tmp_path, 7000, "secret-word")


@pytest.mark.parametrize("group", CATALOG.groups, ids=lambda group: group.name)
def test_its_handlers_run_with_the_least_level_and_the_others_do_not(group: WorkerGroup) -> None:
    least = load_handlers(forgetting.HANDLERS, group)
    require_level(least.values(), Level.BEST_EFFORT)
    usual = load_handlers("operations.faults.sample_handlers", group)
    with pytest.raises(StoreTooWeak):
        require_level(usual.values(), Level.BEST_EFFORT)
