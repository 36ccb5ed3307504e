"""A relay that is killed just before, or just after, the broker has its first messages: `... before|after`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from millrace.publishing.sender import Sender

from workers.dynamo_relay import run
from workers.service import run_service

_send = Sender.send


def _dying(self: Sender, messages: Any) -> Any:
    if sys.argv[1] == "after":
        _send(self, messages)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Sender.send = _dying  # type: ignore[method-assign]
    sys.exit(run_service("dynamo-relay", run))
