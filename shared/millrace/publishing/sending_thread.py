"""A thread that sends what coroutines hand in: all that has come while it sent is the next batch."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from millrace.errors import PublishError
from millrace.publishing.message import Message
from millrace.publishing.sender import Sender

Results = list[PublishError | None]


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one coroutine hands in, and where it waits for what became of it."""

    messages: Sequence[Message]
    outcome: asyncio.Future[Results]


class SendingThread:
    """One sender and its thread, for the coroutines of one event loop.

    The thread ends with `close()`; nothing waits for it at the end of the process.
    """

    def __init__(self, sender: Sender) -> None:
        self._loop = asyncio.get_running_loop()
        self._sender = sender
        self._parcels: SimpleQueue[Parcel | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="millrace-publisher", daemon=True)
        self._thread.start()

    def require_own_loop(self) -> None:
        """Raise RuntimeError in any other event loop: who waits there would never hear of the outcome."""
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError("an AsyncPublisher must be used in one event loop, or be closed before the next one")

    async def send(self, messages: Sequence[Message]) -> Results:
        """For each message None if it was confirmed, else why not; what is cancelled before it is sent is not sent."""
        outcome: asyncio.Future[Results] = self._loop.create_future()
        self._parcels.put(Parcel(messages, outcome))
        return await outcome

    async def close(self) -> None:
        """Send what was handed in, then end the thread and the connection."""
        self._parcels.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        going_on = True
        while going_on:
            parcels, going_on = self._next_batch()
            if parcels:
                self._send(parcels)
        self._sender.close()

    def _next_batch(self) -> tuple[list[Parcel], bool]:
        """All that waits, at least one; and whether there is more to come."""
        parcels: list[Parcel] = []
        parcel = self._parcels.get()
        try:
            while parcel is not None:
                if not parcel.outcome.cancelled():
                    parcels.append(parcel)
                parcel = self._parcels.get_nowait()
        except Empty:
            return parcels, True
        return parcels, False

    def _send(self, parcels: Sequence[Parcel]) -> None:
        try:
            results: Results | BaseException = self._sender.send([each for one in parcels for each in one.messages])
        except BaseException as error:  # who waits must not wait forever
            results = error
        try:
            self._loop.call_soon_threadsafe(_tell, parcels, results)
        except RuntimeError:
            return  # the loop is closed, and nobody waits


def _tell(parcels: Sequence[Parcel], results: Results | BaseException) -> None:
    at = 0
    for parcel in parcels:
        begin, at = at, at + len(parcel.messages)
        if parcel.outcome.done():
            continue
        if isinstance(results, BaseException):
            parcel.outcome.set_exception(results)
        else:
            parcel.outcome.set_result(results[begin:at])
