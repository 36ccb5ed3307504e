"""What the publisher for coroutines does before anything is sent: no broker is needed, and none is reached."""

import asyncio

import pytest
from millrace import InvalidEvent
from millrace.events import UserSignedUp
from millrace.publishing import AsyncPublisher
from millrace.publishing.async_publisher import TURN

NOWHERE = "amqp://web:secret@127.0.0.1:1/test"
EVENT, INVALID = UserSignedUp(user_id="1"), UserSignedUp.model_construct()


def test_others_have_their_turn_while_many_are_checked_and_nothing_is_sent_if_one_is_invalid() -> None:
    turns = 0

    async def another() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def publish() -> None:
        running = asyncio.create_task(another())
        with pytest.raises(InvalidEvent):
            await AsyncPublisher(NOWHERE).publish_many([*[EVENT] * (10 * TURN), INVALID])
        running.cancel()

    asyncio.run(publish())
    assert turns == 10


def test_one_that_is_invalid_is_not_sent() -> None:
    with pytest.raises(InvalidEvent):
        asyncio.run(AsyncPublisher(NOWHERE).publish(INVALID))


def test_the_source_is_the_users_name_unless_given_and_a_wrong_url_is_told_at_once() -> None:
    assert AsyncPublisher(NOWHERE).source == "/web"
    assert AsyncPublisher(NOWHERE, source="urn:shop").source == "urn:shop"
    with pytest.raises(ValueError, match="broker URL must be amqp"):
        AsyncPublisher("http://web:secret@127.0.0.1/test")
    with pytest.raises(ValueError, match="broker URL must be amqp"):
        AsyncPublisher("http://web:secret@127.0.0.1/test", source="urn:shop")
