"""Whose outcome goes where, with a sender that waits until it is told to go on."""

import asyncio
import threading
from collections.abc import Sequence

from millrace.errors import PublishError
from millrace.publishing.message import Message
from millrace.publishing.sending_thread import SendingThread

PATIENCE = 30


class Held:
    """A sender that confirms a batch once it may."""

    def __init__(self) -> None:
        self.begun: list[list[str]] = []
        self.go = threading.Semaphore(0)
        self.closed = threading.Event()

    def send(self, messages: Sequence[Message]) -> list[PublishError | None]:
        """Note the batch, and wait."""
        self.begun.append([message.message_id for message in messages])
        assert self.go.acquire(timeout=PATIENCE)
        return [None] * len(messages)

    def close(self) -> None:
        """Note it."""
        self.closed.set()


def messages(*ids: str) -> list[Message]:
    return [Message(exchange="in", routing_key="a.b", body=b"", message_id=each) for each in ids]


def started(held: Held) -> SendingThread:
    return SendingThread(held)  # type: ignore[arg-type]


async def until_begun(held: Held, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(held.begun) < count:
            await asyncio.sleep(0.001)


def test_of_a_batch_on_its_way_one_may_be_cancelled_and_the_others_hear_of_theirs() -> None:
    held = Held()

    async def send() -> None:
        thread = started(held)
        first = asyncio.create_task(thread.send(messages("first")))
        await until_begun(held, 1)
        one, other = (asyncio.create_task(thread.send(messages(*ids))) for ids in (("a", "b"), ("c",)))
        await asyncio.sleep(0)
        held.go.release()
        await until_begun(held, 2)
        one.cancel()
        held.go.release()
        async with asyncio.timeout(PATIENCE):
            assert await first == [None]
            assert await other == [None]
            await thread.close()

    asyncio.run(send())
    assert held.begun == [["first"], ["a", "b", "c"]]
    assert held.closed.is_set()


def test_a_loop_that_is_gone_when_the_outcome_is_there_does_not_end_the_thread() -> None:
    held = Held()

    async def begin() -> SendingThread:
        thread = started(held)
        task = asyncio.create_task(thread.send(messages("a")))
        await until_begun(held, 1)
        task.cancel()
        return thread

    thread = asyncio.run(begin())
    held.go.release()
    asyncio.run(thread.close())
    assert held.closed.is_set()
