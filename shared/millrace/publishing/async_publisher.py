"""What an asyncio service publishes with."""

import asyncio
from collections.abc import Iterable
from copy import copy
from types import TracebackType
from typing import Self

from millrace.catalog import CATALOG
from millrace.declarations import Catalog, Payload
from millrace.envelope import Envelope
from millrace.publishing.checked import public_envelope
from millrace.publishing.message import event_message
from millrace.publishing.publisher import confirmed_ids, source_of
from millrace.publishing.sender import Sender
from millrace.publishing.sending_thread import SendingThread

#: So many events are checked and encoded before other coroutines have their turn.
TURN = 50


class AsyncPublisher:
    """Publishes as `Publisher` does, from coroutines: what many publish at a time goes out together; one for a loop.

    Arguments, names and errors are those of `Publisher`. A call also waits for those that are on their way when it
    begins: in all, at most twice as long. Cancelling one harms no other; its event may have been published all the
    same, and sending it again with its id is safe.
    """

    def __init__(
        self, url: str, *, source: str | None = None, catalog: Catalog = CATALOG, timeout: float = 10.0
    ) -> None:
        self.source = source_of(url, source)
        self._catalog = catalog
        self._sender = Sender(url, timeout=timeout)
        self._thread: SendingThread | None = None

    async def publish(
        self, event: Payload | Envelope, *, id: str | None = None, partition_key: str | None = None
    ) -> str:
        """Publish one event and return its id once the broker has confirmed it.

        Give `id` to make a repeated call harmless. Raises InvalidEvent before anything is sent, Unroutable, Refused,
        ConfirmTimeout or BrokerUnreachable after; sending again with the same id is always safe.
        """
        envelope = self._envelope(event, id, partition_key)
        [error] = await self._sending().send([event_message(envelope)])
        if error is not None:
            raise copy(error)  # the same one may be raised in other coroutines, each with its own traceback
        return envelope.id

    async def publish_many(self, events: Iterable[Payload | Envelope]) -> list[str]:
        """Publish all and return their ids, in order, confirms awaited in bulk.

        Raises InvalidEvent before anything is sent if one is invalid, NotAllPublished (with the error of each id that
        failed) once every other one is confirmed.
        """
        envelopes, messages = [], []
        for number, event in enumerate(events, 1):
            envelopes.append(self._envelope(event, None, None))
            messages.append(event_message(envelopes[-1]))
            if number % TURN == 0:
                await asyncio.sleep(0)
        return confirmed_ids(envelopes, await self._sending().send(messages))

    def _envelope(self, event: Payload | Envelope, id: str | None, partition_key: str | None) -> Envelope:
        return public_envelope(event, self._catalog, source=self.source, id=id, partition_key=partition_key)

    def _sending(self) -> SendingThread:
        if self._thread is None:
            self._thread = SendingThread(self._sender)
        self._thread.require_own_loop()
        return self._thread

    async def close(self) -> None:
        """Publish what was begun and close the connection; publishing again opens a new one."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await thread.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
