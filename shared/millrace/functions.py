"""What a catalog declares at AWS: the topics of its event types, and the functions that run in Lambda."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from millrace.checks import lasts, require, require_sequence, within
from millrace.payload import Payload
from millrace.retry import Retry

#: What SNS takes as a topic's name (CreateTopic); `.fifo` topics are others.
TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
FUNCTION_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
#: Stack, purpose and name must fit into what Lambda takes (64 characters).
MAX_FUNCTION_NAME_LENGTH = 30
#: module.function, as Lambda calls a handler.
HANDLER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
#: Lambda ends a function after 15 minutes; what Millrace does around a handler needs some of it.
LONGEST_RUNTIME = timedelta(minutes=10)
MAX_MEMORY = 10_240
MAX_CONCURRENCY = 1_000


@dataclass(frozen=True)
class Topic:
    """An event type's SNS topic; without a name it is called after stack and type."""

    name: str | None = None

    def __post_init__(self) -> None:
        fits = self.name is None or (isinstance(self.name, str) and TOPIC_NAME.fullmatch(self.name))
        require(bool(fits), "Topic's name", "at most 256 letters, digits, dashes and underscores", self.name)


@dataclass(frozen=True)
class LambdaGroup:
    """A group whose handlers run in AWS Lambda: one function, one SQS queue, one idempotency scope.

    It takes events of types that have a topic. `memory` is in MiB; `concurrency` is the most copies that run at a time.
    Its handlers lie in `workers/handlers/` as those of a worker group do. Their inbox is in DynamoDB, where they may
    need no more than FENCED; with `database`, it is in PostgreSQL with their effects.
    """

    name: str
    handles: Sequence[type[Payload]] = field(kw_only=True)
    longest_runtime: timedelta = field(default=timedelta(seconds=10), kw_only=True)
    memory: int = field(default=256, kw_only=True)
    concurrency: int = field(default=10, kw_only=True)
    retry: Retry = field(default_factory=Retry, kw_only=True)
    database: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        _require_function(self.name, "LambdaGroup", self.memory, self.concurrency)
        object.__setattr__(
            self, "handles", require_sequence(f"{self.name}: handles", "payload classes", type(Payload), self.handles)
        )
        require(bool(self.handles), f"{self.name}: handles", "at least one payload class", self.handles)
        in_range = lasts(timedelta(milliseconds=10), self.longest_runtime, LONGEST_RUNTIME)
        require(in_range, f"{self.name}: longest_runtime", "a timedelta, 10 ms to 10 minutes", self.longest_runtime)
        require(isinstance(self.retry, Retry), f"{self.name}: retry", "a Retry", self.retry)
        require(isinstance(self.database, bool), f"{self.name}: database", "True or False", self.database)

    @property
    def handled_types(self) -> tuple[str, ...]:
        """The event types that it takes."""
        return tuple(payload.event_type for payload in self.handles)


@dataclass(frozen=True)
class PlainFunction:
    """A Lambda function as somebody wrote it, `handler(event, context)`, subscribed to one event type's topic.

    Millrace deploys it and gives it events; it has no inbox, so it may be called more than once for an event.
    """

    name: str
    handles: type[Payload] = field(kw_only=True)
    handler: str = field(kw_only=True)
    timeout: timedelta = field(default=timedelta(seconds=30), kw_only=True)
    memory: int = field(default=128, kw_only=True)
    concurrency: int = field(default=10, kw_only=True)

    def __post_init__(self) -> None:
        _require_function(self.name, "PlainFunction", self.memory, self.concurrency)
        is_model = isinstance(self.handles, type) and issubclass(self.handles, Payload)
        require(is_model, f"{self.name}: handles", "a payload class", self.handles)
        fits = isinstance(self.handler, str) and HANDLER.fullmatch(self.handler)
        require(bool(fits), f"{self.name}: handler", "module.function", self.handler)
        in_range = lasts(timedelta(seconds=1), self.timeout, timedelta(minutes=15))
        require(in_range, f"{self.name}: timeout", "a timedelta, 1 second to 15 minutes", self.timeout)

    @property
    def handled_types(self) -> tuple[str, ...]:
        """The event type that it takes."""
        return (self.handles.event_type,)


Function = LambdaGroup | PlainFunction


def _require_function(name: object, kind: str, memory: object, concurrency: object) -> None:
    fits = isinstance(name, str) and FUNCTION_NAME.fullmatch(name) and len(name) <= MAX_FUNCTION_NAME_LENGTH
    expected = f"lower-case letters, digits and dashes, at most {MAX_FUNCTION_NAME_LENGTH}"
    require(bool(fits), f"{kind}'s name", expected, name)
    sized = isinstance(memory, int) and within(128, memory, MAX_MEMORY)
    require(sized, f"{name}: memory", f"whole MiB, 128 to {MAX_MEMORY}", memory)
    bounded = isinstance(concurrency, int) and within(2, concurrency, MAX_CONCURRENCY)
    # An event source of SQS has at least two (Lambda, ScalingConfig.MaximumConcurrency).
    require(bounded, f"{name}: concurrency", f"a whole number, 2 to {MAX_CONCURRENCY}", concurrency)
