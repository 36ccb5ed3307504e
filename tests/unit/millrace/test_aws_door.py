"""What the AWS door has at the broker: what goes out, and two users that can do no more than they must."""

from __future__ import annotations

import re

import pytest
from millrace import Catalog, Event, WorkerGroup, names
from millrace.aws_derived import (
    INGRESS_BEGIN_SECONDS,
    INGRESS_POLL_SECONDS,
    INGRESS_VISIBILITY_SECONDS,
    LONG_POLL_SECONDS,
    SQS_CALL_SECONDS,
)
from millrace.broker_parts import User
from millrace.declarations import LambdaGroup, PlainFunction, Topic
from millrace.derived import SEND_SECONDS, sending_bound
from millrace.events import AccountCreated, UserSignedUp, WelcomeEmailSent
from millrace.topology import aws_door

CATALOG = Catalog(
    events=[
        Event(UserSignedUp, aliases=["USER_SIGNUP"], public=Topic("MyTopic")),
        Event(AccountCreated, aliases=["ACCOUNT"], forwarded=Topic()),
        Event(WelcomeEmailSent, public=Topic()),
    ],
    groups=[WorkerGroup("signup", handles=[UserSignedUp])],
    functions=[
        LambdaGroup("audit", handles=[UserSignedUp]),
        LambdaGroup("audit-2", handles=[AccountCreated]),
        PlainFunction("plain", handles=UserSignedUp, handler="consumer.lambda_handler"),
    ],
)


def user(purpose: str) -> User:
    """One of the door's users."""
    found = {one.name: one for one in aws_door(CATALOG, "v").users}
    assert set(found) == {"v.ingress", "v.egress"}
    return found[f"v.{purpose}"]


def bound(queue: str) -> set[tuple[str, str]]:
    """Source and key of all that leads to a queue."""
    return {(one.source, one.key) for one in aws_door(CATALOG, "v").bindings if one.destination == queue}


def test_what_is_forwarded_leaves_before_it_is_known_whether_a_group_takes_it() -> None:
    assert bound(names.OUTWARD) == {(names.IN, "account.created"), (names.IN, "ACCOUNT")}


def test_a_lambda_group_gets_public_events_whoever_published_them_and_its_replays() -> None:
    its = {(names.EVENTS, "user.signed_up"), (names.EVENTS, "USER_SIGNUP"), (names.GROUPS, "group.audit")}
    assert bound("audit") == its
    assert bound("dead.audit") == {(names.DEAD, "group.audit")}


def test_a_lambda_group_has_what_is_forwarded_from_the_topic_only() -> None:
    assert bound("audit-2") == {(names.GROUPS, "group.audit-2")}


def test_a_plain_function_gets_replays_only_for_all_else_comes_from_its_topic() -> None:
    assert bound("plain") == {(names.GROUPS, "group.plain")}


def test_each_queue_of_the_door_is_governed_so_that_giving_back_loses_nothing() -> None:
    whole = aws_door(CATALOG, "v")
    functions = ("audit", "audit-2", "plain")
    wanted = {names.OUTWARD, *functions, *(f"dead.{name}" for name in functions)}
    assert {queue.name for queue in whole.queues} == wanted
    limits = {policy.target: policy.definition["delivery-limit"] for policy in whole.policies}
    assert limits == dict.fromkeys(wanted, 1_000_000_000)


def test_nothing_where_nothing_is_at_aws() -> None:
    bare = Catalog(events=[Event(UserSignedUp)], groups=[WorkerGroup("g", handles=[UserSignedUp])])
    assert aws_door(bare, "v").queues == ()


def test_the_ingress_writes_to_its_three_doors_and_reads_nothing() -> None:
    ingress = user("ingress")
    written = (names.IN, names.EVENTS, names.GROUPS, names.DEAD, names.REJECTED, names.DELAY, "audit")
    assert [name for name in written if re.search(ingress.write, name)] == [names.IN, names.DEAD, names.REJECTED]
    assert (ingress.read, ingress.configure) == ("^$", "^$")


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("group.audit", True),
        ("group.audit-2", True),
        (names.PROBE, True),
        ("group.signup", False),
        ("group.audit.x", False),
        ("", False),
    ],
)
def test_the_ingress_writes_dead_letters_of_functions_only(key: str, allowed: bool) -> None:
    [topic] = user("ingress").topics
    assert topic.exchange == names.DEAD
    assert bool(re.search(topic.write, key)) is allowed


def test_nothing_takes_the_probe() -> None:
    assert names.PROBE not in {binding.key for binding in aws_door(CATALOG, "v").bindings}


def test_the_egress_reads_what_goes_out_and_writes_rejected_letters() -> None:
    egress = user("egress")
    its = ("outward", "audit", "audit-2", "plain", "signup", "dead.audit")
    assert [name for name in its if re.search(egress.read, name)] == ["outward", "audit", "audit-2", "plain"]
    assert (egress.write, egress.configure) == ("^rejected$", "^$")


def test_the_ingress_s_times_fit_into_each_other() -> None:
    """Begun, sent and deleted before others are given the message; and a poll is one that SQS takes."""
    assert INGRESS_BEGIN_SECONDS > 0
    assert INGRESS_BEGIN_SECONDS + sending_bound(SEND_SECONDS) + SQS_CALL_SECONDS <= INGRESS_VISIBILITY_SECONDS
    assert 0 < INGRESS_POLL_SECONDS <= LONG_POLL_SECONDS
