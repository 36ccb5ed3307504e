"""A confirmed sender that many threads may share and that survives errors, reconnects and forks."""

import os
import threading
from collections.abc import Sequence

from millrace.errors import BrokerUnreachable, ChannelClosed, ConfirmTimeout, PublishError
from millrace.publishing.addresses import addresses
from millrace.publishing.connection import ConfirmedConnection
from millrace.publishing.message import Message


class Sender:
    """Sends messages with confirms and `mandatory` over one connection that is made when it is needed.

    `url` may hold several addresses of one broker, separated by `;`; `timeout`, in seconds, bounds the wait for a
    connection to any of them, and for the confirms.
    """

    def __init__(self, url: str, *, timeout: float = 10.0) -> None:
        self._urls = addresses(url)  # a wrong URL is told here, not at the first message
        self._at = 0
        self._timeout = timeout
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._connection: ConfirmedConnection | None = None

    def send(self, messages: Sequence[Message]) -> list[PublishError | None]:
        """Send all; for each, None if it was confirmed, else why not. A lost connection is tried once more."""
        if not messages:
            return []
        self._after_fork()
        with self._lock:
            results = self._send_once(messages)
            lost = [index for index, result in enumerate(results) if isinstance(result, BrokerUnreachable)]
            if lost:
                again = self._send_once([messages[index] for index in lost])
                for index, result in zip(lost, again, strict=True):
                    results[index] = result
            elif len(messages) > 1:
                self._send_singly(messages, results)
            return results

    def _send_singly(self, messages: Sequence[Message], results: list[PublishError | None]) -> None:
        """A closed channel says only that one of many was refused: send each that it left open by itself.

        Each refusal costs a connection, and depends on nothing but exchange and key: there is one for each of those.
        """
        refused: dict[tuple[str, str], PublishError] = {}
        for index, result in enumerate(results):
            if isinstance(result, ChannelClosed):
                message = messages[index]
                place = message.exchange, message.routing_key
                error = refused.get(place) or self._send_once([message])[0]
                results[index] = error
                if isinstance(error, ChannelClosed):
                    refused[place] = error
                elif isinstance(error, BrokerUnreachable | ConfirmTimeout):
                    return

    def send_one(self, message: Message) -> None:
        """Send one message; raises the PublishError if it was not confirmed."""
        error = self.send([message])[0]
        if error is not None:
            raise error

    def _send_once(self, messages: Sequence[Message]) -> list[PublishError | None]:
        try:
            results = self._connected().send(messages)
        except BrokerUnreachable as error:
            return [error] * len(messages)
        if any(isinstance(result, ConfirmTimeout) for result in results):
            # A node that was cut from the others still takes connections, and confirms nothing until it notices.
            self._turn()
        return results

    def _turn(self) -> None:
        self._at = (self._at + 1) % len(self._urls)

    def _connected(self) -> ConfirmedConnection:
        current = self._connection
        if current is not None and (current.broken or current.worn or not current.looks_alive()):
            current.abandon()
            current = None
        if current is None:
            current = self._connect()
        self._connection = current
        return current

    def _connect(self) -> ConfirmedConnection:
        """Try each address once, first the one that was good last (after a time-out of confirms, the one after it)."""
        patience = self._timeout / len(self._urls)
        lost = BrokerUnreachable("no address was tried")
        for _ in self._urls:
            try:
                return ConfirmedConnection(self._urls[self._at], self._timeout, patience)
            except BrokerUnreachable as error:
                lost = error
                self._turn()
        raise lost

    def _after_fork(self) -> None:
        if self._pid == os.getpid():
            return
        if self._connection is not None:
            self._connection.let_go()
        self._connection, self._lock, self._pid = None, threading.Lock(), os.getpid()

    def close(self) -> None:
        """Close the connection; the next send opens a new one."""
        self._after_fork()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
