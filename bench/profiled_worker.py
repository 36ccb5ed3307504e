"""A worker that samples where its CPU goes, every millisecond of it: `python -m bench.profiled_worker GROUP`.

The counts of each part are written to BENCH_PROFILE at the end. A pool process does not inherit the timer.
"""

import atexit
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

from bench.worker_variants import run_worker

#: Which part of the lane a module belongs to; the innermost one on the stack that is named here counts.
PARTS = {
    "workers.lane.frames": "reading",
    "workers.lane.deliveries": "reading",
    "workers.lane.entry": "checking",
    "workers.received": "checking",
    "workers.guard": "checking",
    "millrace.envelope": "checking",
    "workers.lane.running": "handling",
    "workers.lane.work": "handling",
    "workers.execution": "handling",
    "workers.work": "handling",
    "workers.lane.transaction": "committing",
    "workers.lane.claims": "committing",
    "workers.statements": "committing",
    "workers.lane.telling": "telling",
    "workers.report": "telling",
    "workers.logs": "telling",
    "workers.lane.acks": "acking",
}
REST = "rest"
#: A sample counts only below Celery's loop: starting is not draining.
LOOP = "celery.worker.loops"
SAMPLE_SECONDS = 0.001


def part_of(modules: list[str]) -> str | None:
    """The part that a stack belongs to, given the modules of its frames, the innermost first; None outside the loop."""
    if LOOP not in modules:
        return None
    return next((PARTS[module] for module in modules if module in PARTS), REST)


def _sample(counts: Counter[str], frame: FrameType | None) -> None:
    modules = []
    while frame is not None:
        modules.append(frame.f_globals.get("__name__", ""))
        frame = frame.f_back
    part = part_of(modules)
    if part is not None:
        counts[part] += 1


def _main() -> None:
    counts: Counter[str] = Counter()
    path, own = Path(f"{os.environ['BENCH_PROFILE']}.{os.getpid()}"), os.getpid()

    def write() -> None:
        if os.getpid() == own:
            path.write_text(json.dumps(counts))

    atexit.register(write)
    signal.signal(signal.SIGPROF, lambda _number, frame: _sample(counts, frame))
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
    run_worker(sys.argv[1:])


if __name__ == "__main__":
    _main()
