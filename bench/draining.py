"""How fast a waiting queue is drained, and what it costs whom.

The rate is that of the middle part (from 90 % to 10 % left), so starting costs nobody anything.
"""

import os
import time
from collections.abc import Callable

from bench.contenders import Contender
from bench.crew import Crew
from bench.elsewhere import busy_seconds, others_percent
from bench.servers import Servers
from bench.spread import Figures
from bench.waiting import Waiting, environment, waiting

FROM, TO = 0.9, 0.1
_CORES = os.cpu_count() or 1
SAMPLE_SECONDS = 0.01
STILL_SECONDS = 30.0
CONSUMERS_SECONDS = 30.0
SETTLED_SECONDS = 0.5
#: More are let wait before the processes start: held for as long as that takes, they would lose their connections.
MOST_WHILE_HELD = 50_000


def drain(
    servers: Servers, contender: Contender, *, kind: str = "quorum", events: int | None = None, note: int = 0
) -> Figures:
    """Let events wait, drain them, and give the rate, CPU microseconds per event and memory."""
    count = events or contender.events
    told = environment(servers, contender, kind)
    with waiting(servers, contender, kind) as queue:
        held = count <= MOST_WHILE_HELD and contender.tables is None
        if not held:
            queue.fill(count, note)
        with Crew(contender.commands, told, servers.directory / "crew.log") as crew:
            if held:
                await_consumers(queue, contender, crew)
                with crew.held():
                    queue.fill(count, note)
            found = _measure(queue, count, crew)
    return found


def await_consumers(queue: Waiting, contender: Contender, crew: Crew) -> None:
    """Wait until the processes take work, and are calm: what else they do at their start tells nobody its end."""
    crew.wait_until(lambda: queue.consumers() >= contender.consumers, CONSUMERS_SECONDS, "consumers")
    time.sleep(SETTLED_SECONDS)


def _measure(queue: Waiting, count: int, crew: Crew) -> Figures:
    wait_for(queue.left, count * FROM, crew)
    before, busy, began, first = crew.cpu(), busy_seconds(), time.monotonic(), queue.left()
    wait_for(queue.left, count * TO, crew)
    seconds, last, after = time.monotonic() - began, queue.left(), crew.cpu()
    others = others_percent(busy_seconds() - busy, sum(after.values()) - sum(before.values()), seconds, _CORES)
    memory = crew.memory()
    wait_for(queue.left, 0, crew)
    time.sleep(SETTLED_SECONDS)  # what consumers hold is in no count; they are not stopped in the middle of it
    done = first - last
    spent = {f"{who}_us": (after[who] - before[who]) / done * 1e6 for who in after}
    return {"per_second": done / seconds, **spent, "all_us": sum(spent.values()), "others_percent": others, **memory}


def wait_for(left: Callable[[], int], goal: float, crew: Crew) -> None:
    """Wait until so few are left; a queue that stands still is an error, with what the processes have said."""
    least, since = left(), time.monotonic()
    while least > goal:
        time.sleep(SAMPLE_SECONDS)
        if (now := left()) < least:
            least, since = now, time.monotonic()
        elif time.monotonic() - since > STILL_SECONDS:
            raise RuntimeError(f"stands still with {now} left: {crew.said()}")
