"""Logs do not grow for ever, and their end is shown when something fails."""

from __future__ import annotations

from pathlib import Path

from operations.local.child import how_it_ended
from operations.local.errors import log_tail
from operations.local.rabbitmq_node import write_secret
from operations.local.spawn import open_log


def test_a_log_over_the_limit_is_moved_away_once(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "one.log"
    with open_log(path, limit=10) as log:
        log.write(b"more than ten bytes\n")
    with open_log(path, limit=10) as log:
        log.write(b"new\n")
    assert path.read_text() == "new\n"
    assert path.with_name("one.log.1").read_text() == "more than ten bytes\n"


def test_the_tail_has_the_last_lines_and_bears_any_bytes(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(100)) + b"\xff\xfe\n")
    tail = log_tail(path, lines=2)
    assert tail.startswith("    line 99\n")
    assert "no log" in log_tail(tmp_path / "absent.log")


def test_an_end_is_said_in_words() -> None:
    assert [how_it_ended(code) for code in (0, 78, -9)] == ["exit code 0", "exit code 78", "SIGKILL"]


def test_a_secret_is_private_also_over_a_file_that_was_not(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_secret(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
