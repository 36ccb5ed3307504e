"""A worker whose lane tells Flower nothing, to see what telling costs: `python -m bench.quiet_worker GROUP`.

It is no setting of Millrace's, where Flower shows everything.
"""

import sys

from bench.worker_variants import run_worker


def _tell_nothing() -> None:
    from workers.lane import telling  # noqa: PLC0415 (see run_worker)

    telling._show = lambda *_: None


if __name__ == "__main__":
    run_worker(sys.argv[1:], _tell_nothing)
