"""How a sender is measured: it says `ready`, waits for a line, sends, and prints what it took as JSON."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def measured() -> Iterator[None]:
    """Begin at the word, and tell the seconds that the block took."""
    _say("ready")
    sys.stdin.readline()
    began = time.perf_counter()
    yield
    _say(json.dumps({"seconds": time.perf_counter() - began}))
    sys.stdin.readline()  # its CPU is looked at before it ends


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
