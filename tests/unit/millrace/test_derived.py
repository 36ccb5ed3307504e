"""Every inequality between the derived time limits, for every group there may be."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from millrace import WorkerGroup
from millrace.catalog import CATALOG
from millrace.derived import (
    BATCH_BOUND_SECONDS,
    BATCH_EVENTS,
    BATCH_SECONDS,
    BATCHES_IN_HAND,
    BROKER_PATIENCE_SECONDS,
    COMMIT_SECONDS,
    END_SECONDS,
    HALVING_SECONDS,
    HEARTBEAT_SECONDS,
    IDLE_TRANSACTION_SECONDS,
    LANE_BACKLOG_SECONDS,
    LANE_RUNTIME_SECONDS,
    LEAST_SENDING_SECONDS,
    LONG_RUNTIME_SECONDS,
    LONGEST_POLLING_SECONDS,
    LOOK_SECONDS,
    LOOP_STUCK_SECONDS,
    NOT_CONSUMING_SECONDS,
    PROBE_FAILURES,
    PROBE_SECONDS,
    RECONNECT_SECONDS,
    RELAY_LEASE_SECONDS,
    RELAY_SEND_SECONDS,
    RELAY_STUCK_SECONDS,
    RELAY_WINDOW_SECONDS,
    SEND_SECONDS,
    SILENCE_SECONDS,
    START_SECONDS,
    STATEMENT_SECONDS,
    STATISTICS_SECONDS,
    STORE_SECONDS,
    lane_size,
    polling,
    prefetch_multiplier,
    processes,
    sending_bound,
    slots,
    timing,
)
from millrace.events import UserSignedUp


def assert_ordered(group: WorkerGroup) -> None:
    limits = timing(group)
    assert limits.soft_limit == group.longest_runtime.total_seconds()
    assert 0 < limits.soft_limit < limits.hard_limit < limits.lease < limits.grace
    around_the_handler = 3 * STORE_SECONDS + 2 * SEND_SECONDS
    assert limits.hard_limit - limits.soft_limit > around_the_handler
    kill_may_be_late = BATCH_BOUND_SECONDS if lane_size(group) else 0.0
    assert limits.lease - limits.hard_limit >= (END_SECONDS + kill_may_be_late) * 0.999
    assert limits.grace - limits.hard_limit > END_SECONDS
    # Scaling: a stopped worker has ended what it runs; none is stopped, and no group sleeps, while anything can run.
    assert limits.soft_limit < limits.grace < limits.cool_down < limits.consumer_timeout
    assert limits.cool_down - limits.grace >= 2 * STATISTICS_SECONDS * 0.999, "as old as what the broker says"
    assert limits.consumer_timeout >= BROKER_PATIENCE_SECONDS, "RabbitMQ's own is never shortened"
    assert limits.hard_limit < limits.statement <= limits.lease
    assert STATISTICS_SECONDS <= polling(group) <= LONGEST_POLLING_SECONDS
    assert 2 * polling(group) < limits.cool_down, "more than one look before anything ends"
    for concurrency in (1, 2, 7):
        assert_hand_full(group, concurrency)


def assert_hand_full(group: WorkerGroup, concurrency: int) -> None:
    """A worker is given just what it has slots for, and ends all of it within the time that the broker gives it."""
    in_pool = processes(group, concurrency)
    assert 1 <= in_pool <= concurrency
    for lane in (lane_size(group), None):
        held = slots(lane, in_pool)
        assert held == prefetch_multiplier(lane, in_pool) * in_pool
        assert held <= max(lane.prefetch if lane else 0, in_pool)
        assert held >= (lane.prefetch - in_pool if lane else in_pool)
        if group.longest_runtime.total_seconds() > LONG_RUNTIME_SECONDS:
            assert held == 1
        assert held * timing(group).soft_limit / in_pool < timing(group).consumer_timeout


@pytest.mark.parametrize("group", CATALOG.groups, ids=lambda group: group.name)
def test_the_limits_of_the_catalogs_groups(group: WorkerGroup) -> None:
    assert_ordered(group)


@given(longest=st.timedeltas(timedelta(milliseconds=10), timedelta(hours=12)))
def test_the_limits_of_any_group(longest: timedelta) -> None:
    assert_ordered(WorkerGroup("any", handles=[UserSignedUp], longest_runtime=longest))


#: A worker that does not consume has noticed, or is well again, within this.
BOUND_SECONDS = 30


def test_a_worker_that_does_not_consume_notices_in_time() -> None:
    a_look = LOOK_SECONDS + SEND_SECONDS
    assert 2 * HEARTBEAT_SECONDS + 2 * HEARTBEAT_SECONDS / 2 <= SILENCE_SECONDS <= BOUND_SECONDS
    assert NOT_CONSUMING_SECONDS + 2 * a_look <= BOUND_SECONDS
    assert NOT_CONSUMING_SECONDS >= 3 * LOOK_SECONDS
    assert RECONNECT_SECONDS <= BOUND_SECONDS / 3


def test_probes_come_after_a_workers_own_watchdog() -> None:
    noticed = max(LOOP_STUCK_SECONDS + LOOK_SECONDS, NOT_CONSUMING_SECONDS + 2 * LOOK_SECONDS)
    assert noticed < PROBE_SECONDS * PROBE_FAILURES <= 2 * BOUND_SECONDS
    assert PROBE_SECONDS > LOOK_SECONDS
    assert START_SECONDS > BOUND_SECONDS


def test_the_databases_own_limits() -> None:
    """A transaction of a batch is not taken for one that hangs, and a lock is given up before a statement is."""
    assert BATCH_BOUND_SECONDS < IDLE_TRANSACTION_SECONDS
    assert STORE_SECONDS < STATEMENT_SECONDS


def test_a_loop_at_work_is_not_taken_for_stuck() -> None:
    assert sending_bound(SEND_SECONDS) + SEND_SECONDS < LOOP_STUCK_SECONDS < BOUND_SECONDS - LOOK_SECONDS


def test_the_limits_of_a_relay() -> None:
    """What it sends last is connected for and confirmed before its claim ends; only what hangs is called stuck."""
    connection_and_confirms = 2 * RELAY_SEND_SECONDS
    assert RELAY_WINDOW_SECONDS + connection_and_confirms <= RELAY_LEASE_SECONDS
    two_tries_with_handshake = 2 * 3 * RELAY_SEND_SECONDS
    assert two_tries_with_handshake + 2 * STORE_SECONDS < RELAY_STUCK_SECONDS
    assert RELAY_LEASE_SECONDS < RELAY_STUCK_SECONDS


@given(longest=st.timedeltas(timedelta(milliseconds=10), timedelta(hours=12)))
def test_a_lane_is_for_short_handlers_and_holds_what_is_soon_done(longest: timedelta) -> None:
    group = WorkerGroup("any", handles=[UserSignedUp], longest_runtime=longest)
    size = lane_size(group)
    assert (size is not None) == (longest.total_seconds() <= LANE_RUNTIME_SECONDS)
    if size is not None:
        assert 1 <= size.batch <= BATCH_EVENTS
        assert BATCHES_IN_HAND * size.batch == size.prefetch
        assert size.prefetch * longest.total_seconds() <= LANE_BACKLOG_SECONDS


def test_a_batch_ends_within_half_a_heartbeat() -> None:
    """All of its handlers, the last of which may begin late; the end of the batch before it, from a silent database or
    by halving; and what it is sent within itself.
    """
    handlers = BATCH_SECONDS + LANE_RUNTIME_SECONDS
    assert handlers + COMMIT_SECONDS + LEAST_SENDING_SECONDS <= BATCH_BOUND_SECONDS <= HEARTBEAT_SECONDS / 2
    assert HALVING_SECONDS + COMMIT_SECONDS + LEAST_SENDING_SECONDS <= BATCH_BOUND_SECONDS
    assert STORE_SECONDS < COMMIT_SECONDS, "a lock that is not given is told as such, the line is not cut"
