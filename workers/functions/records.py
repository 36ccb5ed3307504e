"""What Lambda calls a function with: records of SNS or of SQS, or an event of EventBridge, in one shape."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workers.notification import Notification, encoded, from_sns, from_sqs

#: What a CloudEvents source may not hold (millrace.envelope.Uri), and what would be too long in one.
_NOT_IN_SOURCE = re.compile(r"[^A-Za-z0-9._/-]")


class UnknownShape(ValueError):
    """The function was called with what is neither of SNS, SQS nor EventBridge."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One message; `mark` tells it from others, `receipt` and `queue` (an ARN) are there where SQS brought it."""

    mark: str
    #: as it came, for its dead letter
    text: str
    content: Notification
    receipt: str | None = None
    queue: str | None = None


def records_of(event: Mapping[str, Any]) -> Sequence[Record]:
    """The records of a call, in order; raises UnknownShape."""
    listed = event.get("Records")
    if isinstance(listed, list):
        return [_record(each) for each in listed]
    if {"detail-type", "detail", "id", "source"} <= event.keys():
        return [_eventbridge(event)]
    raise UnknownShape(f"must be records of SNS or SQS, or an event of EventBridge, got {sorted(event)[:10]}")


def _record(record: Mapping[str, Any]) -> Record:
    if "Sns" in record:
        message = record["Sns"]
        return Record(mark=message["MessageId"], text=str(message.get("Message")), content=from_sns(message))
    if record.get("eventSource") == "aws:sqs":
        return _sqs(record)
    raise UnknownShape(f"must be a record of SNS or SQS, got {record.get('eventSource', sorted(record)[:10])}")


def _sqs(record: Mapping[str, Any]) -> Record:
    body, queue = record["body"], record["eventSourceARN"]
    content = from_sqs(body, queue, record.get("messageAttributes"))
    return Record(mark=record["messageId"], text=body, content=content, receipt=record["receiptHandle"], queue=queue)


def _eventbridge(event: Mapping[str, Any]) -> Record:
    """A rule's event: `detail` is an envelope or the plain shape, where `detail-type` may name the type."""
    text = json.dumps(event["detail"], ensure_ascii=False)
    source = _NOT_IN_SOURCE.sub("-", str(event["source"]))[:200]
    content = Notification(
        body=encoded(text), id=str(event["id"]), source=f"/eventbridge/{source}", type=str(event["detail-type"])
    )
    return Record(mark=str(event["id"]), text=text, content=content)
