"""What left the program is removed, but never a message by accident."""

import pytest
from millrace import names
from millrace.declarations import Catalog, WorkerGroup
from millrace.events import UserSignedUp

from infra.offline_engine import NotApplied, QueueHoldsMessages
from tests.integration.infra.conftest import SMALL, StackUnderTest

SMALLER = Catalog(events=SMALL.events, groups=SMALL.groups[:-1], services=SMALL.services)
LEAVING = SMALL.groups[-1].name


def test_a_group_that_left_is_removed_with_its_user(stack: StackUnderTest) -> None:
    stack.up()
    changes = stack.up(SMALLER)
    assert {f"queue {LEAVING}", f"queue {names.dead_queue(LEAVING)}"} < set(changes.deleted)
    assert LEAVING not in stack.queues()
    users = {user["name"] for user in stack.get("users")}
    assert names.group_user(stack.vhost, LEAVING) not in users
    assert names.group_user(stack.vhost, "signup") in users
    stamps = [one["name"] for one in stack.get(f"exchanges/{stack.vhost}") if one["name"].startswith("stamp.")]
    assert stamps
    assert not [name for name in stamps if name.startswith(f"stamp.{LEAVING}.")]
    assert stack.up(SMALLER).total == 0


def test_a_binding_that_left_is_removed_whatever_its_key(stack: StackUnderTest) -> None:
    def with_group(*handled: type) -> Catalog:
        return Catalog(events=SMALL.events, groups=[WorkerGroup("only", handles=handled)])

    every = [event.payload for event in SMALL.events]
    stack.up(with_group(*every))
    stack.up(with_group(UserSignedUp))
    keys = {one["routing_key"] for one in stack.get(f"bindings/{stack.vhost}/e/{names.DELAY_EXIT}/q/only")}
    assert keys == {"#.user.signed_up", "#.USER_SIGNUP", "#.group.only"}


def test_a_queue_with_messages_is_kept_and_nothing_is_touched(stack: StackUnderTest) -> None:
    stack.up()
    stack.publish(names.group_key(LEAVING))
    with pytest.raises(QueueHoldsMessages, match=rf"'{LEAVING}' \(1 messages\)") as caught:
        stack.up(SMALLER)
    assert caught.value.counts == {LEAVING: 1}
    assert stack.up().total == 0


def test_a_queue_with_messages_goes_when_told_so(stack: StackUnderTest) -> None:
    stack.up()
    stack.publish(names.group_key(LEAVING))
    stack.up(SMALLER, delete_messages=True)
    assert LEAVING not in stack.queues()


def test_a_message_that_comes_in_between_is_kept_too(stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.up()
    stack.publish(names.group_key(LEAVING))
    monkeypatch.setattr("infra.offline_engine.engine._require_no_messages", lambda *_: None)
    with pytest.raises(Exception, match="left the program but holds 1 messages"):
        stack.up(SMALLER)
    assert LEAVING in stack.queues()
    monkeypatch.undo()
    with pytest.raises(QueueHoldsMessages):
        stack.up(SMALLER)
    stack.up(SMALLER, delete_messages=True)
    assert LEAVING not in stack.queues()


def test_destroy_leaves_nothing(stack: StackUnderTest) -> None:
    stack.up()
    changes = stack.destroy()
    assert f"vhost {stack.vhost}" in changes.deleted
    assert stack.vhost not in {vhost["name"] for vhost in stack.get("vhosts")}
    assert not [user["name"] for user in stack.get("users") if user["name"].startswith(stack.vhost)]
    with pytest.raises(NotApplied):
        stack.destroy()


def test_destroy_refuses_while_any_queue_holds_messages(stack: StackUnderTest) -> None:
    stack.up()
    stack.publish("some.thing", exchange=names.UNROUTED)
    with pytest.raises(QueueHoldsMessages, match=names.PARKED):
        stack.destroy()
    assert stack.up().total == 0
    stack.destroy(delete_messages=True)
