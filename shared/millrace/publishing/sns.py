"""Publishing through SNS, for what has no line to the broker: the ingress brings it in. Needs boto3 (millrace[sns])."""

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from millrace import aws_names
from millrace.aws_messages import batches, text_attributes
from millrace.catalog import CATALOG
from millrace.declarations import Catalog, Payload
from millrace.envelope import Envelope
from millrace.errors import InvalidEvent, NotAllPublished, PublishError
from millrace.publishing.checked import public_envelope


class SnsPublisher:
    """Publishes validated events to the SNS topics of their types, which must be public; share one per process.

    `prefix` is what the stack's names at AWS begin with: the vhost of its broker. Credentials are found as boto3 finds
    them; `endpoint` is that of a stand-in for AWS. `timeout` bounds, in seconds, each wait for an answer. With a
    `client` of SNS of one's own, that one is used (and closed) instead.
    """

    def __init__(
        self,
        prefix: str,
        *,
        region: str,
        account: str,
        source: str,
        endpoint: str | None = None,
        catalog: Catalog = CATALOG,
        timeout: float = 10.0,
        client: Any = None,
    ) -> None:
        self.source = source
        self._catalog = catalog
        self._topics = {
            name: aws_names.arn("sns", region, account, aws_names.topic(prefix, event))
            for event in catalog.events
            if event.public is not None
            for name in (event.type, *event.aliases)
        }
        limits = Config(connect_timeout=timeout, read_timeout=timeout, retries={"mode": "standard"})
        self._client = client or boto3.client("sns", region_name=region, endpoint_url=endpoint, config=limits)

    def publish(self, event: Payload | Envelope, *, id: str | None = None, partition_key: str | None = None) -> str:
        """Publish one event and return its id once SNS has taken it.

        Give `id` to make a repeated call harmless. Raises InvalidEvent before anything is sent, PublishError after.
        """
        sealed = self._sealed(event, id, partition_key)
        try:
            self._client.publish(TopicArn=self._topics[sealed.envelope.type], **sealed.said())
        except (BotoCoreError, ClientError) as error:
            raise PublishError(f"SNS has not taken it: {error}") from error
        return sealed.envelope.id

    def publish_many(self, events: Iterable[Payload | Envelope]) -> list[str]:
        """Publish all and return their ids, in order.

        Raises InvalidEvent before anything is sent if one is invalid, NotAllPublished (with the error of each id that
        failed) once every other one is taken.
        """
        sealed = [self._sealed(event, None, None) for event in events]
        failed: dict[str, PublishError] = {}
        for batch in batches(sealed, target=lambda each: each.envelope.type, text=lambda each: each.raw):
            failed.update(self._send(batch))
        if failed:
            raise NotAllPublished(failed)
        return [each.envelope.id for each in sealed]

    def _sealed(self, event: Payload | Envelope, id: str | None, partition_key: str | None) -> "_Sealed":
        envelope = public_envelope(event, self._catalog, source=self.source, id=id, partition_key=partition_key)
        if envelope.type not in self._topics:
            raise InvalidEvent("type", f"must be a public event type, got {envelope.type!r}")
        return _Sealed(envelope, envelope.to_bytes())

    def _send(self, batch: Sequence["_Sealed"]) -> dict[str, PublishError]:
        entries = [{"Id": str(number), **each.said()} for number, each in enumerate(batch)]
        try:
            answer: Mapping[str, Any] = self._client.publish_batch(
                TopicArn=self._topics[batch[0].envelope.type], PublishBatchRequestEntries=entries
            )
        except (BotoCoreError, ClientError) as error:
            return {each.envelope.id: PublishError(f"SNS has not taken it: {error}") for each in batch}
        return {
            batch[int(failed["Id"])].envelope.id: PublishError(
                f"SNS has not taken it: {failed.get('Code')} {failed.get('Message')}"
            )
            for failed in answer.get("Failed", ())
        }

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Sealed(NamedTuple):
    """An event that may be sent, with its bytes."""

    envelope: Envelope
    raw: bytes

    def said(self) -> dict[str, Any]:
        """The message, and the attributes that subscribers may filter by."""
        attributes = text_attributes({"type": self.envelope.type, "id": self.envelope.id})
        return {"Message": self.raw.decode(), "MessageAttributes": attributes}
