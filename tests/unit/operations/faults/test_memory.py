"""A memory group: what takes too much in it is killed and counted; where none can be made, the reason is said."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from operations.faults import memory
from operations.faults.armed import GROUP_VARIABLE
from operations.faults.memory import LIMIT_MIB, MIB, MemoryGroup, memory_group
from operations.faults.scenario import NotHere

#: Joins the group of its environment as armed processes do, and gorges.
GORGING = f"""
import os, pathlib
pathlib.Path(os.environ["{GROUP_VARIABLE}"]).write_text(str(os.getpid()))
from operations.faults.crash_points import gorge
gorge()
"""


def test_what_takes_too_much_is_killed_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LIMIT_MIB", 48)
    group = memory_group(f"millrace-test-{os.getpid()}")
    try:
        with group.limited():
            environment = {**os.environ, GROUP_VARIABLE: str(group.members)}
            ended = subprocess.run([sys.executable, "-c", GORGING], env=environment, check=False, timeout=30)
            assert ended.returncode == -signal.SIGKILL
            assert group.kills() == 1
    except NotHere as error:
        pytest.skip(str(error))
    assert not group.path.exists()


def test_a_group_that_is_left_goes_away_and_its_processes_live_on() -> None:
    group = memory_group(f"millrace-test-{os.getpid()}-left")
    with subprocess.Popen(["/bin/sleep", "60"]) as sleeping:
        try:
            with group.limited():
                group.members.write_text(str(sleeping.pid))
            assert not group.path.exists()
            assert sleeping.poll() is None
        except NotHere as error:
            pytest.skip(str(error))
        finally:
            sleeping.kill()


def test_where_no_group_can_be_made_it_is_not_here(tmp_path: Path) -> None:
    with pytest.raises(NotHere, match="must be made"), MemoryGroup(path=tmp_path / "no" / "group").limited():
        raise AssertionError


@pytest.mark.parametrize(
    ("files", "limit"), [(memory.V1, str(LIMIT_MIB * MIB)), (memory.V2, str(LIMIT_MIB * MIB))], ids=["v1", "v2"]
)
def test_both_interfaces_are_known(tmp_path: Path, files: memory.Files, limit: str) -> None:
    (tmp_path / files.limit).touch()
    (tmp_path / files.swap).touch()
    (tmp_path / files.kills).write_text("low 0\noom 3\noom_kill 2\n")
    group = MemoryGroup(path=tmp_path)
    group._limit()
    assert (tmp_path / files.limit).read_text() == limit
    assert (tmp_path / files.swap).read_text() == files.swap_value
    assert group.kills() == 2


def test_a_kernel_that_does_not_count_is_not_fit(tmp_path: Path) -> None:
    (tmp_path / memory.V1.limit).touch()
    (tmp_path / memory.V1.kills).write_text("under_oom 0\n")
    with pytest.raises(NotHere, match="oom_kill"):
        MemoryGroup(path=tmp_path)._limit()
