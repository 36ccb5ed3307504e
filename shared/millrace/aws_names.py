"""The only place where a name at AWS is spelled: pure functions of the stack's vhost, which all begin with."""

import hashlib
import re

from millrace.declarations import Event

#: SQS and Lambda take 80 and 64 characters; a queue's name may get `-dead` at its end.
MAX_QUEUE_NAME = 75
MAX_FUNCTION_NAME = 64


def topic(prefix: str, event: Event) -> str:
    """The SNS topic of an event type that is public or forwarded: the one given in the catalog, else made from both."""
    given = event.public or event.forwarded
    return given.name if given is not None and given.name else _short(f"{prefix}-{_slug(event.type)}", 256)


def ingress_queue(prefix: str, type_: str) -> str:
    """The SQS queue through which a public event type comes in."""
    return _short(f"{prefix}-in-{_slug(type_)}", MAX_QUEUE_NAME)


def function_queue(prefix: str, function: str) -> str:
    """The SQS queue that a function takes its events from."""
    return _short(f"{prefix}-fn-{function}", MAX_QUEUE_NAME)


def dead_queue(queue: str) -> str:
    """The SQS queue of what could not be delivered to, or taken from, another."""
    return f"{queue}-dead"


def function(prefix: str, name: str) -> str:
    """The Lambda function, and its role."""
    return _short(f"{prefix}-{name}", MAX_FUNCTION_NAME)


def log_group(prefix: str, name: str) -> str:
    """The CloudWatch log group of a function."""
    return f"/aws/lambda/{function(prefix, name)}"


def log_groups(prefix: str) -> str:
    """A pattern of the log groups of all functions, for those too whose name had to be shortened."""
    kept = MAX_FUNCTION_NAME - 11
    return f"/aws/lambda/{_clean(prefix)[:kept]}{'-' if len(prefix) <= kept else ''}*"


def inbox_table(prefix: str, name: str) -> str:
    """The DynamoDB table of a function's inbox."""
    return f"{function(prefix, name)}-inbox"


def outbox_table(prefix: str) -> str:
    """The DynamoDB table of what functions publish, until the relay has sent it."""
    return f"{prefix}-outbox"


def key_alias(prefix: str) -> str:
    """The alias of the stack's own KMS key."""
    return f"alias/{_clean(prefix)}"


def alarm(queue: str, what: str) -> str:
    """The CloudWatch alarm about a queue: that it is `late`; of dead letters, that `letters` lie or were `taken`."""
    return f"{queue}-{what}"


def access_policy(prefix: str, process: str, part: int = 1) -> str:
    """The IAM policy of what one of Millrace's own processes may do; a large catalog needs several."""
    return f"{prefix}-{process}{f'-{part}' if part > 1 else ''}"


def queue_url(endpoint: str, region: str, account: str, name: str) -> str:
    """The URL of an SQS queue: at the endpoint, or, where that is empty, at AWS."""
    return f"{endpoint.rstrip('/') or f'https://sqs.{region}.amazonaws.com'}/{account}/{name}"


def arn(service: str, region: str, account: str, resource: str) -> str:
    """An ARN of the partition `aws` (SNS topic, SQS queue: the name; else `kind/name` or `kind:name`)."""
    return f"arn:aws:{service}:{region}:{account}:{resource}"


def _slug(type_: str) -> str:
    """An event type without the dots: `user.signed_up` is `user--signed_up`, which no other type can be."""
    return type_.replace(".", "--")


def _short(name: str, longest: int) -> str:
    """The name, with its end replaced by a digest if it is too long."""
    if len(name) <= longest and re.fullmatch(r"[A-Za-z0-9_-]+", name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{_clean(name)[: longest - 11]}-{digest}"


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)
