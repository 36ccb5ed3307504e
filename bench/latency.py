"""How long after it was sent an event's handler begins, at a steady rate."""

import time
from pathlib import Path

from bench.contenders import Contender
from bench.crew import Crew
from bench.draining import await_consumers, drain, wait_for
from bench.servers import Servers
from bench.spread import Figures, percentile
from bench.waiting import Waiting, environment, waiting

WARM_UP_SECONDS = 2.0
PERCENTILES = {"p50_ms": 0.5, "p99_ms": 0.99, "p99.9_ms": 0.999}
BYTES = 8
MILLION = 1_000_000


def latency(servers: Servers, contender: Contender, *, rate: float, seconds: float) -> Figures:
    """Send so many a second, each with its time, and give percentiles of the time until its handler begins."""
    clock = servers.directory / "clock"
    told = {**environment(servers, contender, "quorum"), "BENCH_CLOCK": str(clock)}
    with (
        waiting(servers, contender, "quorum") as queue,
        Crew(contender.commands, told, servers.directory / "crew.log") as crew,
    ):
        await_consumers(queue, contender, crew)
        _send(queue, rate, WARM_UP_SECONDS)
        wait_for(queue.left, 0, crew)
        clock.write_bytes(b"")
        before, sent = crew.cpu(), _send(queue, rate, seconds)
        after = crew.cpu()
        wait_for(lambda: sent - clock.stat().st_size // BYTES, 0, crew)
        spent = {f"{who}_us": (after[who] - before[who]) / sent * MILLION for who in after}
    return {**_percentiles(clock), "per_second": sent / seconds, **spent}


def latency_at_half(servers: Servers, contender: Contender, *, seconds: float) -> Figures:
    """The same at half of the rate at which the contender drains a queue now."""
    return latency(servers, contender, rate=drain(servers, contender)["per_second"] / 2, seconds=seconds)


def _send(queue: Waiting, rate: float, seconds: float) -> int:
    """Send what is due, and sleep until the next is; how many there were."""
    began, sent = time.monotonic(), 0
    while (past := time.monotonic() - began) < seconds:
        if sent > past * rate:
            time.sleep(1 / rate)
            continue
        queue.send(sent, time.time_ns())
        sent += 1
    return sent


def _percentiles(clock: Path) -> Figures:
    data = clock.read_bytes()
    ordered = sorted(int.from_bytes(data[at : at + BYTES], "little") / MILLION for at in range(0, len(data), BYTES))
    return {name: percentile(ordered, share) for name, share in PERCENTILES.items()}
