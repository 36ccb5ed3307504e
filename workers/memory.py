"""What a worker's processes use of memory, and what each may use."""

import psutil
from millrace.declarations import WorkerGroup

#: What the main process needs of a group's memory, in MiB.
MAIN_MIB = 128
#: The least that a process of the pool needs: what it has when it begins (measured: 64), and some work.
LEAST_CHILD_MIB = 96


def bound(group: WorkerGroup, processes: int) -> int:
    """What a worker may use, in MiB: what its group declares, or what so many processes need, if that is more."""
    return max(group.memory, MAIN_MIB + processes * LEAST_CHILD_MIB)


def child_limit(group: WorkerGroup, processes: int) -> int:
    """What one process of the pool may use, in KiB: Celery replaces one that uses more when its task has ended.

    It goes by the most that was resident, what is shared with the main process included.
    """
    return (bound(group, processes) - MAIN_MIB) // processes * 1024


def used() -> int:
    """What this process and all that it has started use, in MiB; what they share counts once."""
    this = psutil.Process()
    return sum(_used(process) for process in (this, *this.children(recursive=True))) // 1024**2


def _used(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it has ended meanwhile
        return 0
    return int(getattr(found, "pss", found.uss))
