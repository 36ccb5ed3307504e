"""What the tests themselves promise: no server, no silent pass; nothing is left running."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes_left import processes_left
from tests.real_servers import missing


def test_a_missing_server_is_a_skip_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"RabbitMQ must be on this machine, got none\. Install it\."):
        missing("RabbitMQ", "Install it.")


def test_a_missing_server_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"RabbitMQ must be on this machine, got none\. Install it\."):
        missing("RabbitMQ", "Install it.")


def test_a_child_that_is_left_is_found(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], cwd="/") as child:
        found = processes_left(tmp_path)
        child.kill()
    assert f"{child.pid} sleep 60" in found


LEAVE_ONE = """
import os, signal
if os.fork() == 0:
    print(os.getpid(), flush=True)
    os.closerange(0, 3)
    signal.pause()
"""


def test_an_orphan_that_is_left_is_found_by_what_it_was_told(tmp_path: Path) -> None:
    command, environment = [sys.executable, "-c", LEAVE_ONE], {"STATE": str(tmp_path / "state")}
    orphan = int(subprocess.run(command, env=environment, cwd="/", capture_output=True, check=True).stdout)
    try:
        assert str(orphan) in {line.split()[0] for line in processes_left(tmp_path)}
    finally:
        os.kill(orphan, signal.SIGKILL)
