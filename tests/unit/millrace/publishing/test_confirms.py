"""The broker's answers matched to messages: against a plain model of what each answer says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from millrace.errors import BrokerUnreachable, ConfirmTimeout, PublishError, Refused, Unroutable
from millrace.publishing.confirms import Confirms
from millrace.publishing.message import Message

FIRST_TAG = 10


def messages(*ids: str) -> list[Message]:
    return [Message(exchange="in", routing_key="a.b", body=b"", message_id=each) for each in ids]


def sent(*ids: str) -> Confirms:
    """All are on their way, with tags from FIRST_TAG on."""
    confirms = Confirms(messages(*ids))
    for index in range(len(ids)):
        confirms.sent(FIRST_TAG + index, index)
    return confirms


def kinds(results: list[PublishError | None]) -> list[type[PublishError] | None]:
    return [None if each is None else type(each) for each in results]


ANSWERS = st.lists(
    st.tuples(st.booleans(), st.integers(FIRST_TAG - 3, FIRST_TAG + 8), st.booleans()), max_size=12
)  # ack or nack, tag, multiple


@given(count=st.integers(1, 6), answers=ANSWERS)
def test_each_answer_settles_just_what_it_is_for(count: int, answers: list[tuple[bool, int, bool]]) -> None:
    confirms = sent(*map(str, range(count)))
    expected: dict[int, type[PublishError] | None] = dict.fromkeys(range(FIRST_TAG, FIRST_TAG + count), ConfirmTimeout)
    left = set(expected)
    for positive, tag, multiple in answers:
        (confirms.ack if positive else confirms.nack)(tag, multiple)
        for each in sorted(left):
            if each == tag or (multiple and each < tag):
                expected[each] = None if positive else Refused
                left.remove(each)
        assert confirms.first_open == min(left, default=None)
    confirms.give_up(ConfirmTimeout("late"))
    assert kinds(confirms.results) == list(expected.values())


def test_a_return_is_for_the_first_open_one_that_looks_alike_and_its_ack_does_not_make_it_good() -> None:
    confirms = sent("a", "b", "a", "a")
    confirms.ack(FIRST_TAG, False)
    confirms.returned("a", "in", "a.b", "312 NO_ROUTE")
    confirms.returned("a", "in", "a.b", "312 NO_ROUTE")
    confirms.returned("a", "elsewhere", "a.b", "312 NO_ROUTE")
    confirms.returned("a", "in", "b.a", "312 NO_ROUTE")
    confirms.ack(FIRST_TAG + 3, True)
    assert kinds(confirms.results) == [None, None, Unroutable, Unroutable]
    assert str(confirms.results[2]) == "312 NO_ROUTE: no queue takes 'a.b' from exchange 'in'"


def test_who_gives_up_changes_nothing_that_is_known() -> None:
    confirms = Confirms(messages("acked", "nacked", "returned", "open", "odd", "not sent"))
    confirms.refuse(4, "cannot be encoded")
    for index in range(4):
        confirms.sent(FIRST_TAG + index, index)
    confirms.ack(FIRST_TAG, False)
    confirms.nack(FIRST_TAG + 1, False)
    confirms.returned("returned", "in", "a.b", "312 NO_ROUTE")
    confirms.ack(FIRST_TAG + 2, False)
    confirms.give_up(ConfirmTimeout("late"))
    assert kinds(confirms.results) == [None, Refused, Unroutable, ConfirmTimeout, Refused, ConfirmTimeout]


@pytest.mark.parametrize("returned", [True, False])
def test_what_was_never_sent_is_not_confirmed(returned: bool) -> None:
    confirms = Confirms(messages("a"))
    if returned:
        confirms.returned("a", "in", "a.b", "312 NO_ROUTE")
    confirms.ack(FIRST_TAG, True)
    assert kinds(confirms.results) == [BrokerUnreachable]
