"""How soon a worker begins, and what it costs while nothing happens."""

import time

from bench.contenders import Contender
from bench.crew import Crew
from bench.draining import await_consumers
from bench.servers import Servers
from bench.spread import Figures
from bench.waiting import environment, waiting

LONGEST_START_SECONDS = 60.0
IDLE_SECONDS = 10.0
SETTLE_SECONDS = 5.0
SAMPLE_SECONDS = 0.005


def start_to_first(servers: Servers, contender: Contender) -> Figures:
    """Seconds from the start of the processes until the handler of an event that waits begins."""
    clock = servers.directory / "clock"
    clock.write_bytes(b"")
    told = {**environment(servers, contender, "quorum"), "BENCH_CLOCK": str(clock)}
    with waiting(servers, contender, "quorum") as queue:
        queue.send(0, time.time_ns())
        began = time.monotonic()
        with Crew(contender.commands, told, servers.directory / "crew.log") as crew:
            crew.wait_until(lambda: clock.stat().st_size, LONGEST_START_SECONDS, "a first handler", SAMPLE_SECONDS)
            seconds = time.monotonic() - began
            spent = crew.cpu()["client"]
    return {"seconds": seconds, "client_cpu_seconds": spent}


def idle(servers: Servers, contender: Contender) -> Figures:
    """CPU and memory of the processes, with nothing to do; CPU in per cent of one core."""
    told = environment(servers, contender, "quorum")
    with (
        waiting(servers, contender, "quorum") as queue,
        Crew(contender.commands, told, servers.directory / "crew.log") as crew,
    ):
        await_consumers(queue, contender, crew)
        time.sleep(SETTLE_SECONDS)
        before = crew.cpu()
        time.sleep(IDLE_SECONDS)
        after = crew.cpu()
        spent = {f"{who}_percent": (after[who] - before[who]) / IDLE_SECONDS * 100 for who in after}
        return {**crew.memory(), **spent}
