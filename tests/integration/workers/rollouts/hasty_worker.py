"""A worker whose messages wait a second, each time, for another release."""

import sys

from millrace import derived
from millrace.declarations import WorkerGroup


def _a_second(group: WorkerGroup) -> int:
    assert group
    return 1


derived.rollout_pause = _a_second

if __name__ == "__main__":
    from workers.__main__ import main

    sys.exit(main(sys.argv[1:]))
