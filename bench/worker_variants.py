"""What a variant of a worker is started by, as `python -m workers` is."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import NoReturn


def run_worker(arguments: Sequence[str], change: Callable[[], None] = lambda: None) -> NoReturn:
    """Run a worker of a group with a change; nothing of `workers` may be imported before.

    What imports prometheus_client, whose processes share files, must find their folder.
    """
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="millrace-metrics-"))
    atexit.register(shutil.rmtree, os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
    from workers.__main__ import main  # noqa: PLC0415 (see above)

    change()
    sys.exit(main(list(arguments)))
