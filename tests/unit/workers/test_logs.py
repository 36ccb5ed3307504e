"""Many records at a time look like records one by one."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
_NOTE = re.compile(r'"note":(.*?),"[a-z]')
BEGIN = """
import logging, structlog
from workers.logs import configure_logs, log_many
configure_logs()
def one(**record):
    structlog.get_logger("millrace.outcome").info("outcome", **record)
def many(*records, level=logging.INFO):
    log_many("millrace.outcome", level, "outcome", records)
"""


def said(program: str) -> list[str]:
    """The lines that a program logs, in the plainest of locales."""
    command = [sys.executable, "-c", BEGIN + program]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return ended.stderr.splitlines()


def test_each_is_a_line_of_the_same_shape() -> None:
    lines = said("""
one(id="0", note="one by one")
many(*({"id": str(n), "note": "x" * 100} for n in range(1, 200)))
many({"id": "below the level"}, level=logging.DEBUG)
""")
    first, *others = [json.loads(line) for line in lines]
    assert [record["id"] for record in others] == [str(number) for number in range(1, 200)]
    for record in others:
        assert set(record) == set(first)
        assert {name: record[name] for name in ("event", "logger", "level")} == {
            "event": "outcome",
            "logger": "millrace.outcome",
            "level": "info",
        }
        assert record["timestamp"].endswith("Z") == first["timestamp"].endswith("Z")


def test_whatever_is_in_it_is_written_alike() -> None:
    """Other letters and half of a surrogate pair are escaped, whatever the stream's encoding is."""
    lines = said(r"""
for note in ("plain", "l\u00e4ng", "half \ud83d", None, 0.5, '"\\'):
    one(note=note)
    many({"note": note})
""")
    notes = [_NOTE.findall(line) for line in lines]
    assert notes[::2] == notes[1::2]
    assert [json.loads(note) for (note,) in notes[::2]] == ["plain", "l\u00e4ng", "half \ud83d", None, 0.5, '"\\']
