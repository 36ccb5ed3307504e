"""Settings derived from a group's declared longest runtime: the one place that relates them to each other."""

from dataclasses import dataclass

from millrace.declarations import WorkerGroup

#: Broker heartbeats: a silent connection is noticed within two of them.
HEARTBEAT_SECONDS = 10
#: Room for the two small transactions around a handler, and for a loaded machine.
MARGIN_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The time limits of one group, in seconds, each longer than the one before it."""

    #: The handler itself is interrupted with an exception.
    soft_limit: float
    #: The child process is killed, whatever it does.
    hard_limit: float
    #: Another delivery may take the event over; longer than any attempt can live.
    lease: float
    #: A stopping worker is given this long to finish what runs.
    grace: float


def timing(group: WorkerGroup) -> Timing:
    """The time limits of a group; soft < hard < lease < grace."""
    longest = group.longest_runtime.total_seconds()
    hard = longest + max(1.0, longest * 0.1) + MARGIN_SECONDS
    return Timing(soft_limit=longest, hard_limit=hard, lease=hard + MARGIN_SECONDS, grace=hard + 2 * MARGIN_SECONDS)
