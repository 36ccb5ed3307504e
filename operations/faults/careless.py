"""A publisher without one of its guards: for the negative controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partialmethod
from typing import Any

import amqp
from millrace.errors import PublishError
from millrace.publishing.connection import ConfirmedConnection
from millrace.publishing.message import Message

CONFIRMS, MANDATORY = "confirms", "mandatory"


@contextmanager
def publishing_without(guard: str | None) -> Iterator[None]:
    """Switch a guard of every publisher of this process off as long as the block runs; nothing for None."""
    if guard == CONFIRMS:
        kept = ConfirmedConnection.send
        ConfirmedConnection.send = _send_unconfirmed  # type: ignore[method-assign]
        try:
            yield
        finally:
            ConfirmedConnection.send = kept  # type: ignore[method-assign]
    elif guard == MANDATORY:
        whole = amqp.Channel.basic_publish
        amqp.Channel.basic_publish = partialmethod(_publish_optional, whole)
        try:
            yield
        finally:
            amqp.Channel.basic_publish = whole
    else:
        yield


def _send_unconfirmed(self: ConfirmedConnection, messages: Sequence[Message]) -> list[PublishError | None]:
    """Take every message for confirmed once it was written to the socket."""
    self._messages, self._results = messages, [None] * len(messages)
    try:
        for index in range(len(messages)):
            self._publish(index)
    except OSError:
        self.abandon()
    return self._results


def _publish_optional(channel: amqp.Channel, whole: Callable[..., None], *arguments: Any, **named: Any) -> None:
    """Publish so that the broker drops what no queue takes."""
    whole(channel, *arguments, **{**named, "mandatory": False})
