"""What a worker's processes use of memory, and what each may use."""

import psutil
from millrace.declarations import WorkerGroup
from millrace.derived import MAIN_MIB, memory_bound


def child_limit(group: WorkerGroup, processes: int) -> int:
    """What one process of the pool may use, in KiB: Celery replaces one that uses more when its task has ended.

    It goes by the most that was resident, what is shared with the main process included.
    """
    return (memory_bound(group, processes) - MAIN_MIB) // processes * 1024


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
