"""The garbage collector of a worker, in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = """
import gc
from types import SimpleNamespace
from workers import garbage
from workers.__main__ import run

def start():
    young, *_ = gc.get_threshold()
    assert gc.get_freeze_count() > 1000 and young == garbage.YOUNG_OBJECTS and gc.isenabled()
    print("set")

assert gc.get_freeze_count() == 0 and gc.get_threshold()[0] < garbage.YOUNG_OBJECTS
worker = SimpleNamespace(start=start, exitcode=None)
app = SimpleNamespace(Worker=lambda **_: worker)
runtime = SimpleNamespace(group=SimpleNamespace(name="g"), processes=1)
run(app, runtime)
"""


def test_it_is_set_before_a_worker_forks() -> None:
    command = [sys.executable, "-c", PROGRAM]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (said.stdout, said.returncode) == ("set\n", 0), said.stderr
