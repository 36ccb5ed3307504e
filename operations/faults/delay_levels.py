"""When a delayed event moves on, and what a broker that is away does to it."""

from itertools import accumulate

from millrace import names


def moves(sent: float, seconds: int) -> list[float]:
    """When an event that was sent then leaves each of its delay levels, the largest first; the last is when it is due.

    A level holds what comes to it for its whole time, so what was late to leave one is late for good.
    """
    levels = (2**level for level in reversed(range(names.DELAY_LEVELS)))
    return list(accumulate((level for level in levels if seconds & level), initial=sent))[1:]


def held_up(sent: float, seconds: int, absence: tuple[float, float] | None) -> float:
    """How late an event may be because it had to move on while the broker was away, in seconds."""
    if absence is None:
        return 0.0
    begin, end = absence
    return max((end - moment for moment in moves(sent, seconds) if begin <= moment <= end), default=0.0)
