"""`python -m operations.faults.armed MODULE [ARGUMENTS]`: a process of the stack that was told how to fail.

Only this entry reads the three variables: the processes that users run know nothing of faults.
"""

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from workers.metrics_folder import share_metrics

CRASH_VARIABLE = "MILLRACE_FAULTS_CRASH"
OFF_VARIABLE = "MILLRACE_FAULTS_OFF"
#: The memory group that the process, and what it forks, belongs to: its list of processes.
GROUP_VARIABLE = "MILLRACE_FAULTS_MEMORY_GROUP"
#: The exit code of a crash on purpose.
CRASHED = 9


def main(arguments: list[str]) -> int:
    """Arm this process and become the module: workers GROUP, workers.relay or workers.keeper."""
    module, *rest = arguments
    if group := os.environ.get(GROUP_VARIABLE):
        Path(group).write_text(str(os.getpid()))
    if module == "workers":  # before prometheus_client is imported, as workers.__main__ does it
        share_metrics()
    crashes_itself = False
    if step := os.environ.get(CRASH_VARIABLE):
        from operations.faults.crash_points import arm  # noqa: PLC0415 (after the line above)

        point = arm(step)
        crashes_itself = point.in_lane or not point.in_group
    for guard in filter(None, os.environ.get(OFF_VARIABLE, "").split(",")):
        from operations.faults.switched_off import switch_off  # noqa: PLC0415 (the same)

        switch_off(guard)
    run = _runner(module, rest)
    return _again_after_crashes(run) if crashes_itself else run()


def _runner(module: str, arguments: list[str]) -> Callable[[], int]:
    if module == "workers":
        from workers.__main__ import main as worker  # noqa: PLC0415

        return partial(worker, arguments)
    from workers import keeper, relay  # noqa: PLC0415
    from workers.service import run_service  # noqa: PLC0415

    return partial(
        run_service, *{"workers.relay": ("relay", relay.run), "workers.keeper": ("keeper", keeper.run)}[module]
    )


def _again_after_crashes(run: Callable[[], int]) -> int:
    """Run it in a child, again at once after a crash on purpose: the supervisor's pauses would cost minutes."""
    while True:
        child = os.fork()
        if child == 0:
            os._exit(run())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, partial(_pass_on, child))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != CRASHED:
            return code


def _pass_on(child: int, number: int, _frame: object) -> None:
    os.kill(child, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
