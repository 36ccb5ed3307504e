"""`python -m operations.faults.armed MODULE [ARGUMENTS]`: a process of the stack that was told how to fail.

Only this entry reads the two variables: the processes that users run know nothing of faults.
"""

import atexit
import os
import shutil
import sys
import tempfile

CRASH_VARIABLE = "MILLRACE_FAULTS_CRASH"
OFF_VARIABLE = "MILLRACE_FAULTS_OFF"


def main(arguments: list[str]) -> int:
    """Arm this process and become the module: workers GROUP, workers.relay or workers.keeper."""
    module, *rest = arguments
    if module == "workers":  # before prometheus_client is imported, as workers.__main__ does it
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="millrace-metrics-"))
        atexit.register(shutil.rmtree, os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
    if step := os.environ.get(CRASH_VARIABLE):
        from operations.faults.crash_points import arm  # noqa: PLC0415 (after the line above)

        arm(step)
    for guard in filter(None, os.environ.get(OFF_VARIABLE, "").split(",")):
        from operations.faults.switched_off import switch_off  # noqa: PLC0415 (the same)

        switch_off(guard)
    return _become(module, rest)


def _become(module: str, arguments: list[str]) -> int:
    if module == "workers":
        from workers.__main__ import main as worker  # noqa: PLC0415

        return worker(arguments)
    from workers import keeper, relay  # noqa: PLC0415
    from workers.service import run_service  # noqa: PLC0415

    name, run = {"workers.relay": ("relay", relay.run), "workers.keeper": ("keeper", keeper.run)}[module]
    return run_service(name, run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
