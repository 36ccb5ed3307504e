"""Where the lane's CPU goes: the shares of samples, of the CPU that an event costs."""

import json
from collections import Counter
from dataclasses import replace

from bench.contenders import Contender, variant
from bench.draining import drain
from bench.servers import Servers
from bench.spread import Figures


def profile(servers: Servers, contender: Contender) -> Figures:
    """Drain with workers that sample themselves, and give microseconds per event for each part."""
    path = servers.directory / "profile"
    told = {**contender.environment, "BENCH_PROFILE": str(path)}
    found = drain(servers, replace(variant(contender, "bench.profiled_worker"), environment=told))
    counts: Counter[str] = Counter()
    for each in servers.directory.glob("profile.*"):
        counts.update(json.loads(each.read_text()))
        each.unlink()
    spent = found["client_us"]
    parts = {f"{part}_us": spent * count / counts.total() for part, count in sorted(counts.items())}
    return {"client_us": spent, **parts}
