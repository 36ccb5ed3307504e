"""What a variant of a worker is started by, as `python -m workers` is."""

import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from workers.metrics_folder import share_metrics


def run_worker(arguments: Sequence[str], change: Callable[[], None] = lambda: None) -> NoReturn:
    """Run a worker of a group with a change; nothing may have imported prometheus_client before."""
    share_metrics()
    from workers.__main__ import main  # noqa: PLC0415 (see above)

    change()
    sys.exit(main(list(arguments)))
