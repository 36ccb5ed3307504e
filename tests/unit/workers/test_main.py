"""A worker that cannot start says why in words, and by its exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OUT = "amqp://u:hunter2@127.0.0.1:1/v"


@pytest.mark.parametrize(
    ("group", "broker", "code", "reason"),
    [
        ("signup", f"{OUT};{OUT}", 75, "worker of signup does not start: no connection to the broker"),
        ("signup", "127.0.0.1", 78, "worker of signup does not start: MILLRACE_BROKER_URL: broker URL must be"),
        ("nobody", OUT, 78, "the catalog has no group 'nobody'"),
    ],
)
def test_the_exit_code_tells_whether_trying_again_helps(group: str, broker: str, code: int, reason: str) -> None:
    environment = {**os.environ, "MILLRACE_BROKER_URL": broker, "MILLRACE_DATABASE_URL": "sqlite://"}
    command = [sys.executable, "-m", "workers", group]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr.count("Traceback")) == (code, 0)
    assert reason in ended.stderr
    assert "hunter2" not in ended.stderr
