"""Processes that a supervisor left behind when it was killed."""

from __future__ import annotations

import contextlib
import json
import os

import psutil

from operations.local.layout import Layout

#: Every supervised process carries this variable, and passes it on to what it starts.
MARK = "MILLRACE_SUPERVISED_BY"

#: In seconds; whatever runs was asked to end already when its supervisor died.
LONGEST_GRACE = 10.0


def leftovers(layout: Layout) -> list[psutil.Process]:
    """What still runs of this directory's stack, grandchildren included; the supervisor itself excepted."""
    recorded = _recorded(layout)
    mark = str(layout.root.resolve())
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if recorded.get(process.pid) == process.create_time() or process.environ().get(MARK) == mark:
                found.append(process)
    return found


def end_leftovers(layout: Layout) -> int:
    """End them, by force after the longest grace that one of them has; gives how many there were."""
    found = leftovers(layout)
    grace = min(LONGEST_GRACE, max(graces(layout), default=LONGEST_GRACE))
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=grace)
    for process in [*alive, *leftovers(layout)]:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=5)
    return len(found)


def graces(layout: Layout) -> list[float]:
    """The graces of all that should run; none where nobody knows."""
    try:
        return [float(spec["grace"]) for spec in json.loads(layout.fleet.read_text())]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _recorded(layout: Layout) -> dict[int, float]:
    try:
        rows = json.loads(layout.processes.read_text())["processes"]
    except (OSError, ValueError, KeyError):
        return {}
    return {row["pid"]: row["created"] for row in rows if row["pid"] and row["created"]}
