"""A worker whose bounds are a tenth of what they are, so that tests need not wait; `TEST_FAULT` breaks it on purpose.

The bounds' own relation is tested in `tests/unit/millrace/test_derived.py`.
"""

import os
import sys
import time
from typing import Any

from millrace import derived

HEARTBEAT_SECONDS = 1
SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS
STUCK_SECONDS = 4.0

if __name__ == "__main__":
    derived.HEARTBEAT_SECONDS = HEARTBEAT_SECONDS
    derived.LOOK_SECONDS = 0.5
    derived.NOT_CONSUMING_SECONDS = 1.5
    derived.LOOP_STUCK_SECONDS = STUCK_SECONDS

    from celery.worker.consumer.tasks import Tasks

    from workers.__main__ import main
    from workers.guard import GuardedConsumer

    def break_it(fault: str) -> None:
        """Make it hang in Celery's start, stop its loop, or lose its consumer or pool, as Celery's own bugs did."""
        start, ready, watch = Tasks.start, GuardedConsumer.on_ready, GuardedConsumer.register_with_event_loop

        def hanging(self: Any, consumer: Any) -> None:
            start(self, consumer)
            time.sleep(100)

        def impatient(self: Any, hub: Any) -> None:
            self.longest_task = 2.0
            watch(self, hub)

        def on_ready(self: Any) -> None:
            ready(self)
            match fault:
                case "stuck":
                    self.hub.call_later(0.5, time.sleep, 100)
                case "consumer":
                    self.task_consumer.cancel()
                case "pool":
                    self.controller.semaphore.value = 0

        if fault == "start":
            Tasks.start = hanging
        else:
            GuardedConsumer.on_ready = on_ready
        if fault == "pool":
            GuardedConsumer.register_with_event_loop = impatient  # type: ignore[method-assign]

    if "TEST_FAULT" in os.environ:
        break_it(os.environ["TEST_FAULT"])
    sys.exit(main(sys.argv[1:]))
