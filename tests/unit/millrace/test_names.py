"""Names at the broker; the format of a delay's key is kombu's."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.transport import native_delayed_delivery as kombu_delays
from millrace import names
from millrace.declarations import EVENT_TYPE, MAX_EVENT_TYPE_LENGTH

LONGEST_DELAY = 2**names.DELAY_LEVELS - 1
#: AMQP 0-9-1: a short string's length is one byte.
SHORT_STRING = 255


@given(seconds=st.integers(1, LONGEST_DELAY), key=st.from_regex(EVENT_TYPE, fullmatch=True))
def test_a_delayed_key_is_what_kombu_calculates(seconds: int, key: str) -> None:
    assert names.delayed_key(seconds, key) == kombu_delays.calculate_routing_key(seconds, key)


@pytest.mark.parametrize("seconds", [0, -1, LONGEST_DELAY + 1])
def test_a_delay_that_the_levels_cannot_hold_is_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match=re.escape(f"seconds must be 1 to 2^28 - 1, got {seconds}")):
        names.delayed_key(seconds, "group.signup")


def test_the_delay_levels_are_kombus() -> None:
    assert names.DELAY_LEVELS == kombu_delays.MAX_NUMBER_OF_BITS_TO_USE
    assert names.DELAY_EXIT == kombu_delays.CELERY_DELAYED_DELIVERY_EXCHANGE
    assert kombu_delays.level_name(kombu_delays.MAX_LEVEL) == names.DELAY_ENTRY
    for level in range(names.DELAY_LEVELS):
        assert names.delay_level(level) == kombu_delays.level_name(level)


def test_the_longest_event_type_fits_a_routing_key_with_a_delay() -> None:
    assert len(names.delayed_key(LONGEST_DELAY, "x" * MAX_EVENT_TYPE_LENGTH)) <= SHORT_STRING


def test_no_two_purposes_share_a_name() -> None:
    vhost, group = names.vhost("dev"), "signup"
    queues = [names.group_queue(group), names.dead_queue(group), names.PARKED, names.REJECTED, names.ACCEPTED]
    assert len(set(queues)) == len(queues)
    users = [make(vhost, "relay") for make in (names.group_user, names.service_user, names.own_user)]
    assert len(set(users)) == len(users)
    assert names.group_user(names.vhost("a"), group) != names.group_user(names.vhost("b"), group)


def test_the_names_of_one_stack() -> None:
    assert names.vhost("dev") == "millrace-dev"
    assert names.group_key("signup") == "group.signup"
    assert names.node_name("signup", "0af", "host") == "signup.0af@host"
    assert names.dataschema("user.signed_up", 2) == "urn:millrace:user.signed_up:2"
    assert names.task_id("1", "signup") == "1@signup"
    assert names.stamp("signup", "queue", "abc") == "stamp.signup.queue.abc"
