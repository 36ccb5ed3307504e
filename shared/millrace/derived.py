"""Settings derived from a group's declared longest runtime: the one place that relates them to each other."""

import math
from dataclasses import dataclass

from millrace.declarations import LANE_RUNTIME, WorkerGroup


def sending_bound(timeout: float) -> float:
    """The most seconds that sending takes on a silent line: two tries, each a connection, its handshake and confirms.

    `timeout` is the sender's patience with each of them, in seconds, however many addresses the broker has.
    """
    return 2 * 3 * timeout


#: Broker heartbeats, and when a worker has noticed that its connection is silent: two missed, looked at twice in each.
HEARTBEAT_SECONDS = 10
SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS
#: The longest pause between two tries to reach a broker that is out.
RECONNECT_SECONDS = 5.0
#: A worker looks so often whether it is given what waits in its queue; one that was not for so long ends.
LOOK_SECONDS = 5.0
NOT_CONSUMING_SECONDS = 15.0
#: The longest that a worker waits for a lock in the store, and for the broker's answer; both are safe to give up.
STORE_SECONDS = 2.0
SEND_SECONDS = 2.0
#: A worker whose loop has not turned for so long is stuck and ends: sending is over sooner, and so is a look.
LOOP_STUCK_SECONDS = sending_bound(SEND_SECONDS) + LOOK_SECONDS + SEND_SECONDS
#: Room around a handler: claim, outcome and the record of a failure, and a message sent with one more try.
MARGIN_SECONDS = 3 * STORE_SECONDS + 2 * SEND_SECONDS
#: The longest that a relay waits for each of the broker's answers: a connection, the confirms of what was sent.
RELAY_SEND_SECONDS = 4.0
#: A relay sends a row only so long after it has claimed it, and gives back what it has not sent by then.
RELAY_WINDOW_SECONDS = 4.0
#: So long a relay's claim keeps others away, and so long the rows of a killed one wait: what is sent last in the
#: window is connected for and confirmed, or given up, before it ends.
RELAY_LEASE_SECONDS = RELAY_WINDOW_SECONDS + 2 * RELAY_SEND_SECONDS
#: A step of a relay that takes longer is stuck, and its process is ended: sending, and before and after it the store,
#: end sooner, in success or in an error.
RELAY_STUCK_SECONDS = sending_bound(RELAY_SEND_SECONDS) + 3 * STORE_SECONDS
#: What only another release of a group knows waits so often for it, in all at least so long: a rollout is over then.
ROLLOUT_WAITS = 40
ROLLOUT_SECONDS = 600.0
#: A killed process is gone, and a stopped one has said goodbye, within this.
END_SECONDS = 2.0
LANE_RUNTIME_SECONDS = LANE_RUNTIME.total_seconds()
#: The handlers of a batch begin within this, however many wait; then what they did is committed.
BATCH_SECONDS = 0.5
#: So long after a batch has begun its parts are tried again if it cannot be committed as a whole.
HALVING_SECONDS = 2.0
#: A batch is committed within this, or its line to the database is cut; a lock is waited for within it.
COMMIT_SECONDS = STORE_SECONDS + 0.5
#: What a batch is sent within, at least, though all of that was used up to end the one before it.
LEAST_SENDING_SECONDS = 0.1
#: A batch holds the worker's loop no longer: the last of its handlers begins late, or parts of the batch before it are
#: tried again late.
BATCH_BOUND_SECONDS = (
    max(BATCH_SECONDS + LANE_RUNTIME_SECONDS, HALVING_SECONDS) + COMMIT_SECONDS + LEAST_SENDING_SECONDS
)
#: The most events of a batch (measured: more brings little), and the most seconds of work, as declared, in a lane.
BATCH_EVENTS = 100
#: One waits for its commit, one runs, one comes.
BATCHES_IN_HAND = 3
LANE_BACKLOG_SECONDS = 30.0
#: A worker of a group with longer handlers runs one at a time: no event waits behind another's minutes.
LONG_RUNTIME_SECONDS = 60.0
#: RabbitMQ tells its statistics so often (collect_statistics_interval): what scales looks no oftener.
STATISTICS_SECONDS = 5.0
LONGEST_POLLING_SECONDS = 15.0
#: A transaction that does nothing for so long is of a process that hangs: PostgreSQL ends it.
IDLE_TRANSACTION_SECONDS = 15.0
#: The longest statement of those who have no group: relay, keeper, retention.
STATEMENT_SECONDS = 30.0
#: RabbitMQ closes a channel that holds an event for longer, unless its queue's policy (from 3.12) or its consumer (from
#: 4.3) asks for more.
BROKER_PATIENCE_SECONDS = 1800.0
#: What a worker's main process needs of memory, in MiB.
MAIN_MIB = 128
#: The least that a process of its pool needs: what it has when it begins (measured: 64), and some work.
LEAST_CHILD_MIB = 96
#: Kubernetes asks so often whether a worker consumes, and ends one only after the worker would have ended itself.
PROBE_SECONDS = 10.0
PROBE_FAILURES = 6
#: A start imports, checks its topology and connects within this, or is tried again.
START_SECONDS = 120.0


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
    #: Nothing that was delivered before can still run: only then does a group sleep, and no worker goes sooner.
    cool_down: float
    #: The broker takes an event back from a worker that holds it for so long.
    consumer_timeout: float

    @property
    def statement(self) -> float:
        """The database ends a statement that runs for so long: no attempt that waits for it can be alive."""
        return self.lease


def timing(group: WorkerGroup) -> Timing:
    """The time limits of a group; soft < hard < lease < grace < cool-down < consumer time-out."""
    longest = group.longest_runtime.total_seconds()
    hard = longest + max(1.0, longest * 0.1) + MARGIN_SECONDS
    late = BATCH_BOUND_SECONDS if lane_size(group) else 0.0  # the loop that kills is the one that runs the batches
    lease = hard + END_SECONDS + late
    grace = lease + 2 * END_SECONDS
    cool_down = grace + 2 * STATISTICS_SECONDS
    return Timing(
        soft_limit=longest,
        hard_limit=hard,
        lease=lease,
        grace=grace,
        cool_down=cool_down,
        consumer_timeout=max(BROKER_PATIENCE_SECONDS, 2 * cool_down),
    )


def polling(group: WorkerGroup) -> float:
    """How often, in seconds, it is looked whether a group needs more workers, or fewer."""
    return min(max(STATISTICS_SECONDS, group.longest_runtime.total_seconds()), LONGEST_POLLING_SECONDS)


@dataclass(frozen=True, kw_only=True)
class LaneSize:
    """How much a lane takes at a time, in events."""

    #: committed and acked together
    batch: int
    #: in the worker, so that a batch is there when the one before it has run
    prefetch: int


def lane_size(group: WorkerGroup) -> LaneSize | None:
    """The size of a group's lane; None if its handlers may run for too long to share one."""
    longest = group.longest_runtime.total_seconds()
    if longest > LANE_RUNTIME_SECONDS:
        return None
    batch = min(BATCH_EVENTS, int(LANE_BACKLOG_SECONDS / longest / BATCHES_IN_HAND))
    return LaneSize(batch=batch, prefetch=BATCHES_IN_HAND * batch)


def processes(group: WorkerGroup, concurrency: int) -> int:
    """How many processes a worker of this group has in its pool, if it may have `concurrency`."""
    return 1 if group.longest_runtime.total_seconds() > LONG_RUNTIME_SECONDS else concurrency


def memory_bound(group: WorkerGroup, in_pool: int) -> int:
    """What a worker may use, in MiB: what its group declares, or what so many processes need, if that is more."""
    return max(group.memory, MAIN_MIB + in_pool * LEAST_CHILD_MIB)


def prefetch_multiplier(lane: LaneSize | None, in_pool: int) -> int:
    """Celery's setting by which a worker is given as many events as it has slots for, and no more."""
    return max(1, lane.prefetch // in_pool) if lane else 1


def slots(lane: LaneSize | None, in_pool: int) -> int:
    """How many events a worker has in hand, at most: what it is given before it has acknowledged any."""
    return prefetch_multiplier(lane, in_pool) * in_pool


def rollout_pause(group: WorkerGroup) -> int:
    """Whole seconds of each wait for another release: in all, each of three batches of workers has its grace."""
    return math.ceil(max(ROLLOUT_SECONDS, 3 * timing(group).grace) / ROLLOUT_WAITS)
