"""Acks with as few frames as may be."""

from collections.abc import Iterable
from typing import Any

from kombu.message import Message as IncomingMessage


class Acks:
    """What was delivered on a channel and is not settled yet, in the order in which it came.

    One ack settles all before it, too: it must not pass a message that somebody else still has in hand.
    """

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        #: by tag, with the message of what others may settle
        self._open: dict[int, IncomingMessage | None] = {}

    def arrived(self, tag: int, message: IncomingMessage | None = None) -> None:
        """A message has come, whoever gets it; give it again to say that others may settle it."""
        self._open[tag] = message

    def ack(self, tags: Iterable[int]) -> None:
        """Ack these, and no other."""
        mine = set(tags)
        settled, together = [], 0
        for tag, message in self._open.items():
            if tag in mine:
                together = tag
            elif message is None or not message.acknowledged:
                break
            settled.append(tag)
        if together:
            self._channel.basic_ack(together, multiple=True)
        for tag in sorted(mine.difference(settled)):
            self._channel.basic_ack(tag)
            settled.append(tag)
        for tag in settled:
            del self._open[tag]
