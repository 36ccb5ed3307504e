"""`python -m tests.cluster`: build the control plane that tests run against, once; `--is-built` only asks."""

from __future__ import annotations

import argparse
import sys

from tests.cluster.building import NotBuilt, build
from tests.cluster.programs import cached

#: No code with which Python ends of a mistake.
NOT_THERE = 3


def main() -> int:
    """0 if it is there, 1 if it cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--is-built", action="store_true", help="build nothing: exit code 0 if it is there, 3 if not")
    if parser.parse_args().is_built:
        return 0 if cached().is_built else NOT_THERE
    try:
        build(say=lambda line: print(line, flush=True))
    except NotBuilt as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
