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
from millrace.declarations import LambdaGroup, Topic
from millrace.derived import SEND_SECONDS, sending_bound
from millrace.events import AccountCreated, UserSignedUp
from millrace.topology import aws_door

CATALOG = Catalog(
    events=[
        Event(UserSignedUp, aliases=["USER_SIGNUP"], public=Topic("MyTopic")),
        Event(AccountCreated, aliases=["ACCOUNT"], forwarded=Topic()),
    ],
    groups=[WorkerGroup("signup", handles=[UserSignedUp])],
    functions=[LambdaGroup("audit", handles=[UserSignedUp]), LambdaGroup("audit-2", handles=[UserSignedUp])],
)


def user(purpose: str) -> User:
    """One of the door's users."""
    found = {one.name: one for one in aws_door(CATALOG, "v").users}
    assert set(found) == {"v.ingress", "v.egress"}
    return found[f"v.{purpose}"]


def test_forwarded_types_and_functions_alone_go_out() -> None:
    bindings = {(b.source, b.key) for b in aws_door(CATALOG, "v").bindings if b.destination == names.OUTWARD}
    assert bindings == {
        (names.EVENTS, "account.created"),
        (names.EVENTS, "ACCOUNT"),
        (names.GROUPS, "group.audit"),
        (names.GROUPS, "group.audit-2"),
    }


def test_nothing_where_nothing_is_at_aws() -> None:
    bare = Catalog(events=[Event(UserSignedUp)], groups=[WorkerGroup("g", handles=[UserSignedUp])])
    assert aws_door(bare, "v").queues == ()


def test_the_ingress_writes_to_its_three_doors_and_reads_nothing() -> None:
    ingress = user("ingress")
    written = [
        name for name in (names.IN, names.EVENTS, names.GROUPS, names.DEAD, names.REJECTED, names.DELAY, "audit")
    ]
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
    assert (egress.read, egress.write, egress.configure) == ("^outward$", "^rejected$", "^$")


def test_the_ingress_s_times_fit_into_each_other() -> None:
    """Begun, sent and deleted before others are given the message; and a poll is one that SQS takes."""
    assert 0 < INGRESS_BEGIN_SECONDS
    assert INGRESS_BEGIN_SECONDS + sending_bound(SEND_SECONDS) + SQS_CALL_SECONDS <= INGRESS_VISIBILITY_SECONDS
    assert 0 < INGRESS_POLL_SECONDS <= LONG_POLL_SECONDS
