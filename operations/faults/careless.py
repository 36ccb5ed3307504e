"""A publisher without one of its guards: for the negative controls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from unittest.mock import patch

from millrace.errors import PublishError
from millrace.publishing import wire
from millrace.publishing.connection import ConfirmedConnection
from millrace.publishing.message import Message

CONFIRMS, MANDATORY = "confirms", "mandatory"


_mandatory = wire.publish_method


@contextmanager
def publishing_without(guard: str | None) -> Iterator[None]:
    """Switch a guard of every publisher of this process off as long as the block runs; nothing for None."""
    off: AbstractContextManager[object] = nullcontext()
    if guard == CONFIRMS:
        off = patch.object(ConfirmedConnection, "send", _send_unconfirmed)
    elif guard == MANDATORY:
        off = patch.object(wire, "publish_method", _publish_optional)
    with off:
        yield


def _send_unconfirmed(self: ConfirmedConnection, messages: Sequence[Message]) -> list[PublishError | None]:
    """Take every message for confirmed once it was written to the socket."""
    sock = self._connection.sock
    try:
        sock.settimeout(self.timeout)
        for message in messages:
            pieces = wire.publish_frames(message, self._channel.channel_id, self._connection.frame_max)
            sock.sendall(b"".join(pieces))
    except OSError:
        self.abandon()
    return [None] * len(messages)


def _publish_optional(channel: int, exchange: str, routing_key: str) -> bytes:
    """A publish of which the broker drops what no queue takes."""
    *method, flags, end = _mandatory(channel, exchange, routing_key)
    return bytes((*method, flags & ~1, end))
