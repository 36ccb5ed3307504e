"""What a service publishes with."""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from millrace.catalog import CATALOG
from millrace.declarations import Catalog, Payload
from millrace.envelope import Envelope
from millrace.errors import NotAllPublished, PublishError
from millrace.publishing.addresses import addresses
from millrace.publishing.checked import public_envelope
from millrace.publishing.message import event_message
from millrace.publishing.sender import Sender


class Publisher:
    """Publishes validated events: persistent, confirmed, never silently dropped; share one per process.

    `url` is the service's own broker user's (amqp://user:password@host:port/vhost), `source` is the CloudEvents
    source (by default the user's name), `timeout` bounds, in seconds, the wait for the broker. Several URLs, separated
    by `;`, are the nodes of one broker: tried in turn.
    """

    def __init__(
        self, url: str, *, source: str | None = None, catalog: Catalog = CATALOG, timeout: float = 10.0
    ) -> None:
        self.source = source_of(url, source)
        self._catalog = catalog
        self._sender = Sender(url, timeout=timeout)

    def publish(self, event: Payload | Envelope, *, id: str | None = None, partition_key: str | None = None) -> str:
        """Publish one event and return its id once the broker has confirmed it.

        Give `id` to make a repeated call harmless. Raises InvalidEvent before anything is sent, Unroutable, Refused,
        ConfirmTimeout or BrokerUnreachable after; sending again with the same id is always safe.
        """
        envelope = self._envelope(event, id, partition_key)
        self._sender.send_one(event_message(envelope))
        return envelope.id

    def publish_many(self, events: Iterable[Payload | Envelope]) -> list[str]:
        """Publish all and return their ids, in order, confirms awaited in bulk.

        Raises InvalidEvent before anything is sent if one is invalid, NotAllPublished (with the error of each id that
        failed) once every other one is confirmed.
        """
        envelopes = [self._envelope(event, None, None) for event in events]
        results = self._sender.send([event_message(envelope) for envelope in envelopes])
        return confirmed_ids(envelopes, results)

    def _envelope(self, event: Payload | Envelope, id: str | None, partition_key: str | None) -> Envelope:
        return public_envelope(event, self._catalog, source=self.source, id=id, partition_key=partition_key)

    def close(self) -> None:
        """Close the connection; publishing again opens a new one."""
        self._sender.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def source_of(url: str, source: str | None) -> str:
    """The CloudEvents source of who publishes at this URL: the user's name unless given; raises ValueError."""
    return source or f"/{unquote(urlsplit(addresses(url)[0]).username or 'anonymous')}"


def confirmed_ids(envelopes: Sequence[Envelope], results: Sequence[PublishError | None]) -> list[str]:
    """The ids of events, in order; raises NotAllPublished unless each was confirmed."""
    failed = {envelope.id: error for envelope, error in zip(envelopes, results, strict=True) if error is not None}
    if failed:
        raise NotAllPublished(failed)
    return [envelope.id for envelope in envelopes]
