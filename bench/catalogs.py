"""What a large catalog costs: `up`, a worker's start and its memory."""

import sys
import time
from collections.abc import Callable

from bench.crew import Crew
from bench.many import GROUP, catalog_of
from bench.servers import Servers
from bench.spread import Figures

LONGEST_START_SECONDS = 120.0


def catalog_size(servers: Servers, types: int) -> Figures:
    """Bring up a stack with so many event types, again without a change, and start its worker."""
    stack = servers.own_stack(f"types-{types}", "bench.many:CATALOG", "bench.many_handlers")
    catalog = catalog_of(types)
    up = _seconds(lambda: servers.bring_up(stack, catalog))
    again = _seconds(lambda: servers.bring_up(stack, catalog))
    told = stack.environment(f"group.{GROUP}", MILLRACE_CONCURRENCY="1", BENCH_TYPES=str(types))
    began = time.monotonic()
    with (
        servers.channel(stack.vhost) as channel,
        Crew([(sys.executable, "-m", "workers", GROUP)], told, servers.directory / "crew.log") as crew,
    ):
        consumers = lambda: channel.queue_declare(GROUP, passive=True).consumer_count  # noqa: E731
        crew.wait_until(consumers, LONGEST_START_SECONDS, "a consumer")
        started = time.monotonic() - began
        memory = crew.memory()
    stack.destroy()  # what failed goes with the broker
    return {"up_seconds": up, "up_again_seconds": again, "start_seconds": started, **memory}


def _seconds(do: Callable[[], None]) -> float:
    began = time.monotonic()
    do()
    return time.monotonic() - began
