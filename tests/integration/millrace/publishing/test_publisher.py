"""What a service's publisher promises, on a real broker, as the service's own user."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from millrace import Envelope, InvalidEvent, names, seal
from millrace.errors import ChannelClosed, NotAllPublished, Refused, Unroutable
from millrace.events import AccountCreated, UserSignedUp
from millrace.publishing import Publisher
from millrace.publishing.message import event_message
from millrace.publishing.sender import Sender

from tests.integration.millrace.stack import Stack

MANY = 5_000


@pytest.fixture
def publisher(stack: Stack) -> Iterator[Publisher]:
    with Publisher(stack.service_url()) as one:
        yield one


def signed_up(count: int, *, size: int = 1) -> list[Envelope]:
    """Envelopes with ids 0, 1, ... and about `size` bytes each."""
    padding = {"padding": "x" * size}
    sealed = [seal(UserSignedUp(user_id=str(n)), source="/test", id=str(n)) for n in range(count)]
    return [Envelope.from_fields({**each.model_dump(), **padding}) for each in sealed]


def test_a_published_event_is_in_its_groups_queues_and_in_the_log_once_it_is_confirmed(
    stack: Stack, publisher: Publisher
) -> None:
    id_ = publisher.publish(UserSignedUp(user_id="12345"), partition_key="p")
    for group in ("signup", "analytics"):
        message = stack.take(names.group_queue(group))
        assert message is not None
        envelope = Envelope.from_bytes(message.body)
        assert (envelope.id, envelope.data["user_id"], envelope.partitionkey) == (id_, "12345", "p")
        assert envelope.source == f"/{names.service_user(stack.vhost, 'web')}"
        assert (message.properties["delivery_mode"], message.properties["message_id"]) == (2, id_)
    assert stack.take(names.group_queue("workflow")) is None
    assert last_of_the_log(stack) == id_


def last_of_the_log(stack: Stack) -> str:
    """The id of the newest event in the stream `accepted`."""
    channel = stack.channel.connection.channel()
    seen: list[str] = []
    channel.basic_qos(0, 10, False)
    offset = {"x-stream-offset": "last"}
    channel.basic_consume(names.ACCEPTED, callback=lambda m: seen.append(m.properties["message_id"]), arguments=offset)
    while not seen:
        stack.channel.connection.drain_events(timeout=10)
    channel.close()
    return seen[-1]


def test_an_event_that_no_group_handles_is_parked_not_returned(stack: Stack, publisher: Publisher) -> None:
    envelope = seal(UserSignedUp(user_id="1"), source="/test")
    with (
        stack.unbound(names.EVENTS, "signup", "user.signed_up", queue=True),
        stack.unbound(names.EVENTS, "analytics", "user.signed_up", queue=True),
        stack.unbound(names.EVENTS, "audit", "user.signed_up", queue=True),
    ):
        publisher.publish(envelope)
    assert [each.id for each in stack.taken(names.PARKED, 1)] == [envelope.id]


def test_an_id_may_be_given_and_given_again(stack: Stack, publisher: Publisher) -> None:
    for _ in range(2):
        assert publisher.publish(UserSignedUp(user_id="1"), id="mine") == "mine"
    assert [each.id for each in stack.taken("signup", 2)] == ["mine", "mine"]


def test_the_longest_id_that_is_allowed_is_carried(stack: Stack, publisher: Publisher) -> None:
    id_ = "\u00e9" * 100
    publisher.publish(UserSignedUp(user_id="1"), id=id_)
    assert [each.id for each in stack.taken("signup", 1)] == [id_]


def test_an_alias_reaches_the_same_groups(stack: Stack, publisher: Publisher) -> None:
    publisher.publish(Envelope(id="1", source="/old", type="USER_SIGNUP", data={"userId": "1"}))
    assert [each.type for each in stack.taken("signup", 1)] == ["USER_SIGNUP"]


def test_nothing_is_sent_if_one_of_many_is_not_valid(stack: Stack, publisher: Publisher) -> None:
    good = signed_up(1)[0]
    for wrong in (UserSignedUp.model_construct(), good.model_copy(update={"type": "user.lost"})):
        with pytest.raises(InvalidEvent):
            publisher.publish_many([good, wrong])
    publisher.publish(UserSignedUp(user_id="1"), id="sentinel")
    assert [each.id for each in stack.taken("signup", 1)] == ["sentinel"]


def test_what_no_queue_takes_raises_and_the_next_event_is_published(stack: Stack, publisher: Publisher) -> None:
    with stack.no_way_in(), pytest.raises(Unroutable, match=r"312 NO_ROUTE: no queue takes 'user.signed_up'"):
        publisher.publish(UserSignedUp(user_id="1"))
    publisher.publish(UserSignedUp(user_id="1"), id="after")
    assert [each.id for each in stack.taken("signup", 1)] == ["after"]


def test_of_many_just_those_that_no_queue_takes_are_named(stack: Stack, publisher: Publisher) -> None:
    events = [
        seal(payload, source="/test", id=f"{n}-{payload.event_type}")
        for n in range(50)
        for payload in (UserSignedUp(user_id="1"), AccountCreated(account_id="1", user_id="1"))
    ]
    queue = names.group_queue("workflow")
    with stack.no_way_in():
        stack.channel.queue_bind(queue, names.IN, "account.created")
        with pytest.raises(NotAllPublished) as caught:
            publisher.publish_many(events)
        stack.channel.queue_unbind(queue, names.IN, "account.created")
    assert set(caught.value.failed) == {each.id for each in events if each.type == "user.signed_up"}
    assert {type(error) for error in caught.value.failed.values()} == {Unroutable}
    confirmed = [each.id for each in events if each.type == "account.created"]
    assert [each.id for each in stack.taken(queue, len(confirmed))] == confirmed


def test_large_events_that_no_queue_takes_do_not_block_the_line(stack: Stack, publisher: Publisher) -> None:
    events = signed_up(600, size=60_000)
    with stack.no_way_in(), pytest.raises(NotAllPublished) as caught:
        publisher.publish_many(events)
    assert set(caught.value.failed) == {each.id for each in events}
    assert {type(error) for error in caught.value.failed.values()} == {Unroutable}


def test_a_full_queue_raises_refused_and_the_next_event_is_published(stack: Stack, publisher: Publisher) -> None:
    with stack.full_queue("user.signed_up", room=1):
        publisher.publish(UserSignedUp(user_id="1"))
        with pytest.raises(Refused, match="a queue is full or failing"):
            publisher.publish(UserSignedUp(user_id="1"))
        publisher.publish(AccountCreated(account_id="1", user_id="1"), id="after")
    assert "after" in [each.id for each in stack.taken("workflow", 1)]


def test_of_many_just_those_that_were_refused_are_named(stack: Stack, publisher: Publisher) -> None:
    events, room = signed_up(20), 7
    with stack.full_queue("user.signed_up", room=room), pytest.raises(NotAllPublished) as caught:
        publisher.publish_many(events)
    assert set(caught.value.failed) == {each.id for each in events[room:]}
    assert {type(error) for error in caught.value.failed.values()} == {Refused}


def test_what_amqp_cannot_say_is_refused_and_harms_no_other(stack: Stack) -> None:
    good = [event_message(each) for each in signed_up(1_000)]
    odd = (
        replace(good[0], routing_key="x" * 256),
        replace(good[0], message_id="\u00e9" * 128),
        replace(good[0], headers={"h": object()}),
        replace(good[0], headers={"h": "x" * 140_000}),
    )
    sender = Sender(stack.service_url())
    results = sender.send([*good[:500], *odd, *good[500:]])
    sender.close()
    assert [type(each) for each in results[500:504]] == [Refused] * len(odd)
    assert not any(results[:500] + results[504:])
    assert [each.id for each in stack.taken("signup", 1_000)] == [each.message_id for each in good]


def test_an_event_of_several_frames_arrives_whole(stack: Stack) -> None:
    """The negotiated frame is larger than an event; what else is sent may not be."""
    message = replace(event_message(signed_up(1)[0]), body=b"x" * 300_000)
    sender = Sender(stack.service_url())
    sender.send_one(message)
    sender.close()
    arrived = stack.take("signup")
    assert arrived is not None
    assert arrived.body == message.body


def test_many_events_arrive_in_order_over_many_rounds(stack: Stack, publisher: Publisher) -> None:
    events = signed_up(MANY)
    ids = publisher.publish_many(iter(events))
    assert ids == [each.id for each in events]
    assert [each.id for each in stack.taken("analytics", MANY)] == ids


def test_a_user_that_may_not_write_is_told_so_soon_even_for_many(stack: Stack) -> None:
    with Publisher(stack.url(names.own_user(stack.vhost, "keeper"))) as publisher:
        with pytest.raises(ChannelClosed, match="ACCESS_REFUSED"):
            publisher.publish(UserSignedUp(user_id="1"))
        with pytest.raises(NotAllPublished) as caught:
            publisher.publish_many(signed_up(MANY))
    assert len(caught.value.failed) == MANY
    assert {type(error) for error in caught.value.failed.values()} == {ChannelClosed}


def test_threads_may_share_a_publisher(stack: Stack, publisher: Publisher) -> None:
    each, threads = 50, 8
    ids: list[str] = []
    errors: list[BaseException] = []

    def publish(name: int) -> None:
        try:
            ids.extend(publisher.publish(UserSignedUp(user_id=f"{name}-{n}")) for n in range(each))
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=publish, args=(name,)) for name in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(60)
    assert errors == []
    assert len(set(ids)) == each * threads
    assert {event.id for event in stack.taken("signup", each * threads)} == set(ids)


def test_after_close_a_publisher_opens_a_new_connection(stack: Stack, publisher: Publisher) -> None:
    for id_ in ("before", "after"):
        publisher.publish(UserSignedUp(user_id="1"), id=id_)
        publisher.close()
    assert [each.id for each in stack.taken("signup", 2)] == ["before", "after"]
