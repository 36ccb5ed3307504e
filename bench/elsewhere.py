"""How much of the machine others took while something was measured."""

import psutil

#: Not work, or counted in another field already.
_NOT_COUNTED = ("idle", "iowait", "guest", "guest_nice")


def busy_seconds() -> float:
    """CPU seconds that the whole machine has worked so far; what its host took for others counts, too."""
    times: dict[str, float] = psutil.cpu_times()._asdict()
    return sum(spent for kind, spent in times.items() if kind not in _NOT_COUNTED)


def others_percent(busy: float, own: float, seconds: float, cores: int) -> float:
    """The share of all cores that went to neither the contender nor its servers; the benchmark's own is a percent."""
    return max(0.0, (busy - own) / (seconds * cores) * 100)
