"""How many messages wait in the SQS queues of the AWS door."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from millrace import aws_names
from millrace.declarations import Catalog

from operations.aws_place import AwsPlace
from operations.queue_numbers import QueueNumbers

AT_A_TIME = 8


@dataclass(frozen=True, kw_only=True)
class SqsNumbers:
    """The queues by name; `problem` says why there are no numbers."""

    queues: Mapping[str, QueueNumbers] = field(default_factory=dict)
    problem: str | None = None

    def waiting(self, queue: str) -> QueueNumbers:
        """The numbers of a queue; zeros if there is no such queue."""
        return self.queues.get(queue, QueueNumbers())


def door_queues(catalog: Catalog, vhost: str) -> list[str]:
    """The queues of the door, each with that of its dead letters."""
    queues = [aws_names.ingress_queue(vhost, event.type) for event in catalog.events if event.public]
    queues += [aws_names.function_queue(vhost, function.name) for function in catalog.functions]
    return [name for queue in queues for name in (queue, aws_names.dead_queue(queue))]


def sqs_numbers(place: AwsPlace | None, noted: Mapping[str, str], catalog: Catalog, vhost: str) -> SqsNumbers | None:
    """The numbers now; None where the catalog has nothing at AWS."""
    if not catalog.uses_aws:
        return None
    if place is None:
        return SqsNumbers(problem=noted.get("problem") or "where AWS is must be known, got nothing")
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    names = door_queues(catalog, vhost)
    with closing(place.client("sqs")) as sqs, ThreadPoolExecutor(AT_A_TIME) as several:
        try:
            found = list(several.map(lambda name: _numbers(sqs, place, name), names))
        except (BotoCoreError, ClientError) as error:
            return SqsNumbers(problem=f"SQS does not answer: {error}"[:300])
    return SqsNumbers(queues={name: numbers for name, numbers in zip(names, found, strict=True) if numbers})


def _numbers(sqs: Any, place: AwsPlace, name: str) -> QueueNumbers | None:
    """A queue's numbers, which SQS calls approximate; None if there is no such queue."""
    ready, hidden = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
    url = aws_names.queue_url(place.endpoint or "", place.region, place.account, name)
    try:
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[ready, hidden])["Attributes"]
    except sqs.exceptions.QueueDoesNotExist:
        return None
    return QueueNumbers(ready=int(attributes[ready]), unacknowledged=int(attributes[hidden]))
