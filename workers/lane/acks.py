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
        self._open: dict[int, IncomingMessage] = {}

    def arrived(self, message: IncomingMessage) -> None:
        """A message has come, whoever gets it."""
        self._open[message.delivery_tag] = message

    def ack(self, messages: Iterable[IncomingMessage]) -> None:
        """Ack these, and no other."""
        mine = {message.delivery_tag for message in messages}
        settled, together = [], 0
        for tag, message in self._open.items():
            if tag in mine:
                together = tag
            elif not message.acknowledged:
                break
            settled.append(tag)
        if together:
            self._channel.basic_ack(together, multiple=True)
        for tag in sorted(mine.difference(settled)):
            self._channel.basic_ack(tag)
            settled.append(tag)
        for tag in settled:
            del self._open[tag]
