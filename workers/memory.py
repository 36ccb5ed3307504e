"""What a worker's processes use of memory, and what each may use."""

import psutil
from millrace.declarations import WorkerGroup

#: What the main process needs of a group's memory, in MiB.
MAIN_MIB = 128
#: The least that is left to a process of the pool: what it has when it begins, most of it shared, and some work.
LEAST_CHILD_MIB = 160


def child_limit(group: WorkerGroup, processes: int) -> int:
    """What one process of the pool may use, in KiB: Celery replaces one that uses more when its task has ended."""
    return max(LEAST_CHILD_MIB, (group.memory - MAIN_MIB) // processes) * 1024


def used() -> int:
    """What this process and all that it has started use, in MiB; what they share counts once."""
    this = psutil.Process()
    return sum(_used(process) for process in (this, *this.children(recursive=True))) // 1024**2


def _used(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
    except psutil.Error:  # it has ended meanwhile
        return 0
    return int(getattr(found, "pss", found.uss))
