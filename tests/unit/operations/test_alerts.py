"""Alerts and status from numbers."""

from dataclasses import replace

import pytest
from millrace.catalog import CATALOG

from operations.alerts import (
    MANY_WAITING,
    REFUSED_ATTEMPTS,
    RELAY_LAG_SECONDS,
    RESTARTS,
    RETENTION_SECONDS,
    WAITING_MESSAGES,
    alerts,
)
from operations.aws_place import SWITCHED_OFF
from operations.cli.status import show
from operations.outbox_numbers import StoppedKey
from operations.queue_numbers import QueueNumbers
from operations.sqs_numbers import SqsNumbers
from operations.status import ProcessNumbers, Situation, status
from operations.store_numbers import StoreNumbers
from tests.door_catalog import CATALOG as AT_AWS
from tests.unrecorded import without_record

VHOST = "millrace-test"
QUIET = Situation(queues={group.name: QueueNumbers(consumers=1) for group in CATALOG.groups}, store=StoreNumbers())


STOPPED = StoppedKey(
    key="order-1", event_id="e1", attempts=REFUSED_ATTEMPTS, error="a queue is full", seconds=12.34, waiting=5
)


def with_queue(name: str, numbers: QueueNumbers) -> Situation:
    return replace(QUIET, queues={**QUIET.queues, name: numbers})


def with_process(**values: object) -> Situation:
    process = ProcessNumbers(name="worker-signup", group="signup", state="running")
    return replace(QUIET, processes=[replace(process, **values)])  # type: ignore[arg-type]


def found(situation: Situation) -> list[tuple[str, str]]:
    return [(alert.kind, alert.concerns) for alert in alerts(situation, CATALOG)]


def test_a_quiet_stack_has_none() -> None:
    assert found(QUIET) == []


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        (with_queue("signup", QueueNumbers(ready=3)), ("no consumer", "signup")),
        (replace(QUIET, store=StoreNumbers(dead_letters={"signup": 1})), ("dead letters", "signup")),
        (replace(QUIET, store=StoreNumbers(rejected=2)), ("rejected", "rejected")),
        (replace(QUIET, trouble=["keeper"]), ("trouble", "keeper")),
        (replace(QUIET, store=StoreNumbers(parked={"user.left": 1})), ("parked", "user.left")),
        (with_queue("signup", QueueNumbers(ready=WAITING_MESSAGES, consumers=1, growth=1.0)), ("waiting", "signup")),
        (with_queue("signup", QueueNumbers(ready=MANY_WAITING, consumers=1)), ("waiting", "signup")),
        (replace(QUIET, store=StoreNumbers(unpublished=1, relay_lag=RELAY_LAG_SECONDS + 1)), ("relay lag", "relay")),
        (replace(QUIET, store=StoreNumbers(stopped_keys=(STOPPED,))), ("stopped key", "order-1")),
        (with_queue("parked", QueueNumbers(ready=100, consumers=1)), ("keeper lag", "parked")),
        (with_queue("parked", QueueNumbers(ready=1, consumers=1)), ("keeper stuck", "parked")),
        (with_queue("parked", QueueNumbers(consumers=0)), ("no keeper", "keeper")),
        (replace(QUIET, store=StoreNumbers(retention_age=RETENTION_SECONDS + 1)), ("retention", "keeper")),
        (with_process(state="backing off"), ("restarts", "worker-signup")),
        (with_process(restarts=RESTARTS), ("restarts", "worker-signup")),
    ],
)
def test_each_alert(situation: Situation, expected: tuple[str, str]) -> None:
    assert found(situation) == [expected]
    assert all(alert.todo and alert.what for alert in alerts(situation, CATALOG))


def test_a_dead_letter_on_its_way_counts() -> None:
    on_its_way = with_queue("dead.signup", QueueNumbers(ready=1))
    assert found(on_its_way) == [("dead letters", "signup"), ("keeper stuck", "dead.signup")]


def test_a_group_without_a_queue() -> None:
    queues = {name: numbers for name, numbers in QUIET.queues.items() if name != "signup"}
    assert found(replace(QUIET, queues=queues)) == [("no queue", "signup")]


@pytest.mark.parametrize(
    "situation",
    [
        with_queue("signup", QueueNumbers(ready=WAITING_MESSAGES, consumers=1, growth=-5.0)),
        with_queue("signup", QueueNumbers(ready=10, consumers=1, growth=5.0)),
        replace(QUIET, store=StoreNumbers(parked={"onboarding.completed": 9})),
        replace(QUIET, store=StoreNumbers(unpublished=50, relay_lag=0.5)),
        replace(QUIET, store=StoreNumbers(stopped_keys=(replace(STOPPED, attempts=REFUSED_ATTEMPTS - 1),))),
        replace(QUIET, store=StoreNumbers(retention_age=RETENTION_SECONDS - 1)),
        with_process(restarts=1),
    ],
)
def test_what_needs_nobody(situation: Situation) -> None:
    assert found(situation) == []


def test_status_has_the_shape_that_scripts_rely_on() -> None:
    store = StoreNumbers(dead_letters={"signup": 2}, parked={"a.b": 3}, rejected=1, inbox={"signup": {"processed": 7}})
    queues = {
        "signup": QueueNumbers(ready=4, unacknowledged=2, consumers=1),
        "dead.signup": QueueNumbers(ready=1),
        "parked": QueueNumbers(ready=2),
    }
    process = ProcessNumbers(name="worker-signup", group="signup", state="running")
    flower = {"url": "u", "user": "n", "password": "p"}
    report = status(Situation(queues=queues, store=store, processes=[process], flower=flower), CATALOG, VHOST)
    signup = report["groups"]["signup"]
    keys = ("ready", "unacknowledged", "consumers", "replicas", "dead_letters", "processed")
    assert [signup[key] for key in keys] == [4, 2, 1, 1, 3, 7]
    assert (report["parked"], report["rejected"], report["flower"]) == (5, 1, flower)
    assert set(report["groups"]) == {group.name for group in CATALOG.groups}


def test_status_does_not_count_what_leaves_no_record() -> None:
    store = StoreNumbers(inbox={"signup": {"processed": 1, "retrying": 2}})
    found = status(replace(QUIET, store=store), without_record(CATALOG, "signup"), VHOST)["groups"]["signup"]
    assert (found["processed"], found["retrying"]) == (None, 2)


def test_status_tells_what_waits_in_the_outbox() -> None:
    store = StoreNumbers(unpublished=7, relay_lag=12.34, relay_error="gone", stopped_keys=(STOPPED,))
    relay = status(replace(QUIET, store=store), CATALOG, VHOST)["relay"]
    assert (relay["unpublished"], relay["lag_seconds"], relay["error"]) == (7, 12.3, "gone")
    stopped = {"key": "order-1", "event_id": "e1", "attempts": 3, "error": "a queue is full"}
    assert relay["stopped_keys"] == [{**stopped, "seconds": 12.3, "waiting": 5}]


def test_without_a_supervisor_the_consumers_count_as_replicas() -> None:
    assert status(QUIET, CATALOG, VHOST)["groups"]["signup"]["replicas"] == 1


def test_people_are_told_what_waits_in_the_outbox(capsys: pytest.CaptureFixture[str]) -> None:
    store = StoreNumbers(unpublished=7, relay_lag=12.34, relay_error="gone", stopped_keys=(STOPPED,))
    show(status(replace(QUIET, store=store), CATALOG, VHOST))
    told = capsys.readouterr().out
    assert "in the outbox 7, the oldest for 12 s" in told
    assert "stopped in the outbox: order-1, 5 events: a queue is full" in told


AWS_QUIET = replace(
    QUIET,
    queues={"signup": QueueNumbers(consumers=1), "outward": QueueNumbers(consumers=1)},
    sqs=SqsNumbers(queues={"millrace-test-in-user--signed_up": QueueNumbers()}),
)


def found_at_aws(situation: Situation) -> list[tuple[str, str]]:
    return [(alert.kind, alert.concerns) for alert in alerts(situation, AT_AWS)]


def test_a_quiet_door_has_none() -> None:
    assert found_at_aws(AWS_QUIET) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sqs": SqsNumbers(problem="no answer")}, ("no AWS", "aws")),
        ({"queues": {**AWS_QUIET.queues, "outward": QueueNumbers(ready=5)}}, ("no consumer", "outward")),
        ({"queues": {**AWS_QUIET.queues, "audit": QueueNumbers(ready=5)}}, ("no consumer", "audit")),
        ({"queues": {**AWS_QUIET.queues, "dead.audit": QueueNumbers(ready=1)}}, ("dead letters", "audit")),
        ({"sqs": SqsNumbers(queues={"x-in-y": QueueNumbers(ready=MANY_WAITING)})}, ("waiting", "x-in-y")),
        ({"sqs": SqsNumbers(queues={"x-in-y-dead": QueueNumbers(ready=100)})}, ("waiting", "x-in-y-dead")),
    ],
)
def test_what_is_wrong_at_the_door_is_told(changes: dict[str, object], expected: tuple[str, str]) -> None:
    assert expected in found_at_aws(replace(AWS_QUIET, **changes))  # type: ignore[arg-type]


def test_a_door_that_is_switched_off_is_no_matter_until_something_waits_for_it() -> None:
    off = SqsNumbers(problem=SWITCHED_OFF)
    assert found_at_aws(replace(AWS_QUIET, queues={"signup": QueueNumbers(consumers=1)}, sqs=off)) == []
    waiting = {**AWS_QUIET.queues, "audit": QueueNumbers(ready=3)}
    [alert] = alerts(replace(AWS_QUIET, queues=waiting, sqs=off), AT_AWS)
    assert (alert.kind, alert.what) == ("no AWS", "MILLRACE_AWS=off; 3 events wait to go there")


def test_status_tells_what_waits_at_aws(capsys: pytest.CaptureFixture[str]) -> None:
    queues = {
        "millrace-test-in-user--signed_up": QueueNumbers(ready=4),
        "millrace-test-fn-audit": QueueNumbers(ready=3, unacknowledged=2),
        "millrace-test-fn-audit-dead": QueueNumbers(ready=1),
    }
    store = StoreNumbers(dead_letters={"audit": 7})
    at_broker = {**AWS_QUIET.queues, "audit": QueueNumbers(ready=6)}
    situation = replace(AWS_QUIET, queues=at_broker, sqs=SqsNumbers(queues=queues), store=store)
    report = status(situation, AT_AWS, VHOST)
    assert report["aws"]["ingress"] == {"user.signed_up": {"ready": 4, "in_flight": 0, "dead": 0}}
    assert report["aws"]["functions"]["audit"] == {
        "at_broker": 6,
        "ready": 3,
        "in_flight": 2,
        "dead": 1,
        "dead_letters": 7,
    }
    assert (report["aws"]["problem"], report["aws"]["outward"]) == (None, 0)
    show(report)
    assert "in: user.signed_up" in capsys.readouterr().out


def test_status_without_aws_says_why_or_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(QUIET, CATALOG, VHOST)["aws"] is None
    show(status(replace(AWS_QUIET, sqs=SqsNumbers(problem="port 4566 is taken")), AT_AWS, VHOST))
    assert "AWS: port 4566 is taken" in capsys.readouterr().out
