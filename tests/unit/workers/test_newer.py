"""What may wait for another release, and what can never become right."""

from collections.abc import Mapping
from typing import Any

import pytest
from millrace import names
from millrace.catalog import CATALOG
from millrace.derived import ROLLOUT_SECONDS, ROLLOUT_WAITS, rollout_pause, timing
from millrace.errors import InvalidEvent, UnknownEventType, UnknownSchemaVersion
from millrace.publishing.message import Message

from workers.newer import WAITS_HEADER, Newer
from workers.received import GENERATION_HEADER, Delivery

GROUP = CATALOG.group("signup")
VERSION = UnknownSchemaVersion("urn:millrace:user.signed_up:2")
TYPE = UnknownEventType("user.left")
OTHERS = InvalidEvent("type", "account.created is not handled by signup")


def later(
    error: InvalidEvent,
    *,
    key: str = "user.signed_up",
    exchange: str = names.IN,
    headers: Mapping[str, Any] | None = None,
) -> Message | None:
    """What is done about a message."""
    properties = {"message_id": "7"}
    came = Delivery(body=b"{}", content_type="a/b", headers=headers or {}, properties=properties, exchange=exchange)
    return Newer(CATALOG, GROUP).later(came, key, error)


@pytest.mark.parametrize(
    ("error", "key"),
    [(VERSION, "user.signed_up"), (VERSION, "USER_SIGNUP"), (TYPE, "user.left"), (OTHERS, "account.created")],
)
def test_what_another_release_may_know_waits(error: InvalidEvent, key: str) -> None:
    message = later(error, key=key)
    assert message is not None
    assert (message.body, message.content_type, message.message_id) == (b"{}", "a/b", "7")
    assert message.routing_key == names.delayed_key(rollout_pause(GROUP), names.group_key("signup"))
    assert message.headers == {WAITS_HEADER: 1}


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (UnknownSchemaVersion("https://elsewhere.example/schema"), "user.signed_up"),
        (UnknownSchemaVersion("urn:millrace:user.signed_up:two"), "user.signed_up"),
        (TYPE, "user.signed_up"),
        (OTHERS, "user.signed_up"),
        (InvalidEvent("data.user_id", "is missing"), "user.left"),
    ],
)
def test_what_no_release_can_know_does_not(error: InvalidEvent, key: str) -> None:
    assert later(error, key=key) is None


def test_nor_does_a_type_that_was_sent_to_this_group_only() -> None:
    assert later(TYPE, key=names.group_key("signup"), exchange=names.GROUPS) is None


def test_nor_does_celery_s_own_message() -> None:
    assert later(TYPE, key="user.left", headers={"task": "user.left"}) is None


@pytest.mark.parametrize("error", [VERSION, TYPE])
def test_the_waits_are_counted_and_bounded(error: InvalidEvent) -> None:
    back = {"exchange": names.DELAY_EXIT, "key": f"0.1.{names.group_key('signup')}"}
    once_more = later(error, headers={WAITS_HEADER: ROLLOUT_WAITS - 1, GENERATION_HEADER: 3}, **back)
    assert once_more is not None
    assert once_more.headers == {WAITS_HEADER: ROLLOUT_WAITS, GENERATION_HEADER: 3}
    assert later(error, headers={WAITS_HEADER: ROLLOUT_WAITS}, **back) is None


def test_a_count_that_came_through_the_door_is_not_believed() -> None:
    message = later(VERSION, headers={WAITS_HEADER: ROLLOUT_WAITS, GENERATION_HEADER: 9})
    assert message is not None
    assert message.headers == {WAITS_HEADER: 1}


@pytest.mark.parametrize("group", CATALOG.groups, ids=lambda group: group.name)
def test_the_waits_last_as_long_as_a_rollout(group: Any) -> None:
    assert ROLLOUT_WAITS * rollout_pause(group) >= max(ROLLOUT_SECONDS, 3 * timing(group).grace)
