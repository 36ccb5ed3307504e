"""Settings derived from a group's declared longest runtime: the one place that relates them to each other."""

from dataclasses import dataclass

from millrace.declarations import WorkerGroup

#: Broker heartbeats: a silent connection is noticed within two of them.
HEARTBEAT_SECONDS = 10
#: The longest that a worker waits for a lock in the store, and for the broker's answer; both are safe to give up.
STORE_SECONDS = 2.0
SEND_SECONDS = 2.0
#: Room around a handler: claim, outcome and the record of a failure, and a message sent with one more try.
MARGIN_SECONDS = 3 * STORE_SECONDS + 2 * SEND_SECONDS
#: A killed process is gone, and a stopped one has said goodbye, within this.
END_SECONDS = 2.0


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
    lease = hard + END_SECONDS
    return Timing(soft_limit=longest, hard_limit=hard, lease=lease, grace=lease + 2 * END_SECONDS)
