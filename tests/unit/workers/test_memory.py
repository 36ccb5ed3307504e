"""What processes use, and what each may."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from millrace.catalog import CATALOG
from millrace.derived import LEAST_CHILD_MIB, memory_bound

from workers.memory import child_limit

ROOT = Path(__file__).parents[3]
#: In a process of its own: this one has the servers of the whole run for children.
PROGRAM = """
import subprocess, sys
from workers.memory import used
before = used()
with subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
    assert child.stdout.readline() == b"held\\n"
    held = used()
    child.communicate()
print(before, held, used())
"""
HOARDER = "import sys; held = b'x' * (80 * 2**20); print('held', flush=True); sys.stdin.read()"


@pytest.mark.parametrize(
    ("memory", "processes", "expected"), [(512, 2, 192), (2048, 4, 480), (320, 2, LEAST_CHILD_MIB)]
)
def test_a_process_of_the_pool_may_use_its_share(memory: int, processes: int, expected: int) -> None:
    group = replace(CATALOG.groups[0], memory=memory)
    assert child_limit(group, processes) == expected * 1024


def test_many_processes_have_what_they_need_whatever_is_declared() -> None:
    """Else each would be replaced after every task, or the worker would end at its first look."""
    group = replace(CATALOG.groups[0], memory=319)
    assert memory_bound(group, 1) == 319
    assert memory_bound(group, 12) == 128 + 12 * LEAST_CHILD_MIB
    assert child_limit(group, 12) == LEAST_CHILD_MIB * 1024


def test_what_a_child_uses_counts() -> None:
    command = [sys.executable, "-c", PROGRAM, HOARDER]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    before, held, after = map(int, said.stdout.split())
    assert 10 < before < 500
    assert held - before >= 80
    assert after - before < 40
