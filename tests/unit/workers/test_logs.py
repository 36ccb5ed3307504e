"""Many records at a time look like records one by one."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = """
import logging, structlog
from workers.logs import configure_logs, log_many
configure_logs()
structlog.get_logger("millrace.outcome").info("outcome", id="0", note="one by one")
log_many("millrace.outcome", logging.INFO, "outcome", [{"id": str(n), "note": "x" * 100} for n in range(1, 200)])
log_many("millrace.outcome", logging.DEBUG, "outcome", [{"id": "below the level"}])
"""


def test_each_is_a_line_of_the_same_shape() -> None:
    command = [sys.executable, "-c", PROGRAM]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stderr
    first, *others = [json.loads(line) for line in said.splitlines()]
    assert [record["id"] for record in others] == [str(number) for number in range(1, 200)]
    for record in others:
        assert set(record) == set(first)
        assert {name: record[name] for name in ("event", "logger", "level")} == {
            "event": "outcome",
            "logger": "millrace.outcome",
            "level": "info",
        }
        assert record["timestamp"].endswith("Z") == first["timestamp"].endswith("Z")
