"""A stuck process ends, whatever it is stuck in; one that goes on is left alone."""

import json
import subprocess
import sys
import textwrap
from datetime import datetime

from workers.watchdog import EX_STUCK

PREAMBLE = """
import ctypes, logging, sys, threading, time
from workers import watchdog
from workers.logs import configure_logs
configure_logs()
watchdog._GRACE_SECONDS = watchdog._REWIND_SECONDS = 0.2
watchdog._LAST_WORDS_SECONDS = 0.5
"""


def run(body: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own with a watchdog that is not patient."""
    program = PREAMBLE + textwrap.dedent(body)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)


def test_a_step_that_does_not_end_ends_the_process_and_is_told() -> None:
    done = run("""
        with watchdog.Watchdog("relay", 0.3) as watching:
            watching.step("claiming rows")
            time.sleep(60)
    """)
    assert done.returncode == EX_STUCK != 0
    told = json.loads(next(line for line in done.stderr.splitlines() if '"stuck"' in line))
    assert (told["step"], told["service"]) == ("claiming rows", "relay")
    assert datetime.fromisoformat(told["since"])
    assert "in <module>" in done.stderr  # where it was


def test_a_call_that_holds_the_interpreter_ends_it_too() -> None:
    """No Python thread runs meanwhile, the watchdog's neither."""
    done = run("""
        with watchdog.Watchdog("relay", 0.3) as watching:
            watching.step("hashing")
            ctypes.PyDLL(None).sleep(60)
    """)
    assert done.returncode == 1
    assert "Timeout" in done.stderr


def test_a_log_that_takes_nothing_does_not_save_it() -> None:
    done = run("""
        watchdog._GRACE_SECONDS = 30
        logging.getLogger().handlers[0].acquire()
        with watchdog.Watchdog("relay", 0.3) as watching:
            time.sleep(60)
    """)
    assert done.returncode == EX_STUCK


def test_a_loop_that_goes_on_is_left_alone() -> None:
    done = run("""
        with watchdog.Watchdog("relay", 0.5) as watching:
            for number in range(20):
                watching.step(f"step {number}")
                time.sleep(0.05)
        watching.step("something else")
        time.sleep(1.2)
        print("still here")
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "still here\n", "")
