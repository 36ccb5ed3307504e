"""What Lambda makes of messages of SQS before it calls a function: records of SQS, or a record of SNS."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any


def sqs_event(messages: Sequence[Mapping[str, Any]], queue_arn: str) -> dict[str, Any]:
    """The event of an event source of SQS, from messages as boto3 gives them."""
    return {"Records": [_sqs_record(message, queue_arn) for message in messages]}


def _sqs_record(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: _sqs_attribute(typed) for name, typed in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }


def _sqs_attribute(typed: Mapping[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": typed["DataType"]}
    if "StringValue" in typed:
        value["stringValue"] = typed["StringValue"]
    if "BinaryValue" in typed:
        value["binaryValue"] = base64.b64encode(typed["BinaryValue"]).decode()
    return value


def sns_event(body: str, subscription_arn: str) -> dict[str, Any]:
    """The event of a subscription of SNS, from the envelope that SNS has put into a queue.

    Raises ValueError if the body is no envelope of SNS.
    """
    envelope = json.loads(body)
    if not isinstance(envelope, dict) or envelope.get("Type") != "Notification":
        raise ValueError("must be an envelope of SNS (a subscription without raw delivery)")
    message = {
        "Type": "Notification",
        "MessageId": envelope["MessageId"],
        "TopicArn": envelope["TopicArn"],
        "Subject": envelope.get("Subject"),
        "Message": envelope["Message"],
        "Timestamp": envelope.get("Timestamp"),
        "SignatureVersion": envelope.get("SignatureVersion"),
        "Signature": envelope.get("Signature"),
        "SigningCertUrl": envelope.get("SigningCertURL"),
        "UnsubscribeUrl": envelope.get("UnsubscribeURL"),
        "MessageAttributes": envelope.get("MessageAttributes", {}),
    }
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription_arn,
        "Sns": message,
    }
    return {"Records": [record]}


def settled(messages: Sequence[Mapping[str, Any]], answer: object) -> list[Mapping[str, Any]]:
    """The messages that a function's answer says are done; all if it reports no failures, none if it makes no sense.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    if not isinstance(answer, Mapping) or not answer.get("batchItemFailures"):
        return list(messages)
    try:
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
    except (TypeError, KeyError):
        return []
    if not failed <= {message["MessageId"] for message in messages}:
        return []
    return [message for message in messages if message["MessageId"] not in failed]
