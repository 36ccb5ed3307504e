"""What became of the messages of one sending: the broker's answers matched to delivery tags."""

from collections.abc import Sequence
from itertools import takewhile

from millrace.errors import BrokerUnreachable, PublishError, Refused, Unroutable
from millrace.publishing.message import Message


class Confirms:
    """The messages that are open (sent and not settled), and the result of each: None once it is confirmed."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages
        self._open: dict[int, int] = {}  # index by tag; tags rise in the order of sending
        self.results: list[PublishError | None] = [BrokerUnreachable("not sent")] * len(messages)

    @property
    def first_open(self) -> int | None:
        """The lowest tag that is not settled; None if all are."""
        return next(iter(self._open), None)

    def sent(self, tag: int, index: int) -> None:
        """A message is sent as the publish of this tag."""
        self._open[tag] = index

    def refuse(self, index: int, why: str) -> None:
        """A message cannot be sent."""
        self.results[index] = Refused(why)

    def ack(self, tag: int, multiple: bool) -> None:
        """The broker has taken a message, or returned it before; or all up to it."""
        for index in self._settle(tag, multiple):
            if not isinstance(self.results[index], Unroutable):
                self.results[index] = None

    def nack(self, tag: int, multiple: bool) -> None:
        """The broker has not taken a message; or all up to it."""
        for index in self._settle(tag, multiple):
            sent = self._messages[index]
            self.results[index] = Refused(
                f"the broker refused {sent.routing_key!r} at exchange {sent.exchange!r}: a queue is full or failing "
                "(`millrace verify` and `millrace status` say which); others may have it, send it again with its id"
            )

    def _settle(self, tag: int, multiple: bool) -> list[int]:
        tags = list(takewhile(tag.__ge__, self._open)) if multiple else [tag]
        return [self._open.pop(each) for each in tags if each in self._open]

    def returned(self, message_id: str | None, exchange: str, key: str, reason: str) -> None:
        """A return comes before its message's confirm and bears no tag: the first open one that looks alike is it."""
        for index in self._open.values():
            sent = self._messages[index]
            alike = sent.message_id == message_id and (sent.exchange, sent.routing_key) == (exchange, key)
            if alike and not isinstance(self.results[index], Unroutable):
                self.results[index] = Unroutable(f"{reason}: no queue takes {key!r} from exchange {exchange!r}")
                return

    def give_up(self, error: PublishError) -> None:
        """Nothing more can be learnt: what is open, or was not sent, has this error."""
        unsettled = set(self._open.values())
        for index, result in enumerate(self.results):
            if index in unsettled or isinstance(result, BrokerUnreachable):
                self.results[index] = error
