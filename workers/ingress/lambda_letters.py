"""What SNS and Lambda put into a function's dead-letter queue by themselves, as `function_letter` reads letters.

Neither writes the words that a function of ours does: they say why in attributes of their own, and Lambda wraps the
message in the event that it called the function with.
"""

import json
from collections.abc import Mapping
from typing import Any

from millrace.aws_messages import text_attributes

from workers.ingress.reasons import UNDELIVERED
from workers.notification import texts
from workers.outgoing import EXHAUSTED


def told(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message, with cause and error in our words, and the event as SNS has sent it; any other as it is.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq
    """
    given = texts(message.get("MessageAttributes"))
    if "cause" in given or not {"ErrorCode", "ErrorMessage"} & given.keys():
        return message
    inner = _called_with(str(message.get("Body", "")))
    said = [given[name] for name in ("ErrorCode", "ErrorMessage") if name in given]
    reason = {"cause": UNDELIVERED if inner is None else EXHAUSTED, "error": ": ".join(said)}
    return {
        **message,
        "Body": message.get("Body") if inner is None else inner,
        "MessageAttributes": {**message["MessageAttributes"], **text_attributes(reason)},
    }


def _called_with(body: str) -> str | None:
    """SNS's envelope, of the event with which SNS has called a function; None if the body is no such event."""
    try:
        match json.loads(body):
            case {"Records": [{"Sns": dict() as sns}]}:
                return json.dumps({**sns, "Type": "Notification"})
    except (ValueError, RecursionError):
        pass
    return None
