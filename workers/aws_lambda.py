"""`workers.aws_lambda.lambda_handler`: a group of the catalog in AWS Lambda, with the guarantees that workers have.

It is called with records of SQS (what must come again is reported, so one bad record fails no other), of SNS, or an
event of EventBridge (these come again if the call fails). See docs/decisions/0603.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Protocol

import structlog
from millrace.aws_derived import function_timing
from millrace.derived import STORE_SECONDS

from workers.environment import SettingsError
from workers.functions.attempts import Attempts, Settled
from workers.functions.clients import sqs_client
from workers.functions.inboxes import DynamoInbox, FunctionInbox
from workers.functions.queues import Queues
from workers.functions.records import Record, records_of
from workers.functions.running import Running
from workers.functions.settings import FunctionSettings, from_environment
from workers.functions.telling import tell
from workers.handling import load_handlers, require_level
from workers.logs import configure_logs
from workers.outcomes import Report
from workers.overrun import interrupted_after
from workers.stores.dynamodb import DynamoStore

log = structlog.get_logger("millrace.function")


class Context(Protocol):
    """What Lambda says of a call."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """How long the call may still take."""


class MustComeAgain(Exception):
    """Some records were not settled, and their source learns that only from a call that fails."""


@dataclass(frozen=True)
class Function:
    """One function; `longest` is what a record may take, in seconds, with what lies around its handler."""

    running: Running
    longest: float

    def call(self, event: Mapping[str, Any], context: Context) -> dict[str, Any] | None:
        """Settle the records of one call; raises MustComeAgain, UnknownShape."""
        records = records_of(event)
        owner = f"{self.running.group.name}:{context.aws_request_id}"
        settled = [self._settle(record, owner, context) for record in records]
        tell(settled, self.running.group.name)
        again = [record for record, each in zip(records, settled, strict=True) if each.again]
        if any(record.receipt is None for record in again):
            raise MustComeAgain(f"{len(again)} of {len(records)} records must come again")
        from_sqs = any(record.receipt is not None for record in records)
        return {"batchItemFailures": [{"itemIdentifier": record.mark} for record in again]} if from_sqs else None

    def _settle(self, record: Record, owner: str, context: Context) -> Settled:
        if context.get_remaining_time_in_millis() < self.longest * 1000:
            self.running.queues.come_back(record, 0)
            return Settled(Report("waiting", note="the call's time is nearly over"), again=True)
        try:
            return self.running.handle(record, owner)
        except Exception as error:  # of ours, or SQS takes no dead letter: the others must not suffer for it
            log.exception("trouble", mark=record.mark, group=self.running.group.name)
            return Settled(Report("waiting", note=f"trouble: {type(error).__name__}"), again=True)


def make(settings: FunctionSettings) -> Function:
    """The function of a group; raises SettingsError, HandlerMissing, StoreTooWeak."""
    catalog = settings.load_catalog()
    try:
        group = catalog.lambda_group(settings.group)
    except KeyError:
        known = [each.name for each in catalog.lambda_groups]
        raise SettingsError(f"MILLRACE_GROUP must be one of {known}, got {settings.group!r}") from None
    handlers = load_handlers(settings.handlers, group)
    queues = Queues(sqs_client(settings.aws_endpoint), settings.dead_queue_url)
    inbox = _inbox(settings, queues)
    require_level(handlers.values(), inbox.level)
    longest = group.longest_runtime.total_seconds()
    attempts = Attempts(
        group=group,
        handlers=handlers,
        inbox=inbox,
        lease=function_timing(group).lease,
        limit=partial(interrupted_after, longest),
    )
    running = Running(catalog=catalog, queues=queues, attempts=attempts)
    return Function(running, longest + 2 * STORE_SECONDS)


def _inbox(settings: FunctionSettings, queues: Queues) -> FunctionInbox:
    catalog = settings.load_catalog()
    if settings.inbox_url is not None:
        assert settings.outbox_table is not None
        return DynamoInbox(DynamoStore.at(settings.inbox_url), catalog, settings.outbox_table, queues)
    from workers.database import connect  # noqa: PLC0415 (others need no database)
    from workers.functions.database_inbox import DatabaseInbox  # noqa: PLC0415

    assert settings.database_url is not None
    return DatabaseInbox(connect(settings.database_url, patience=STORE_SECONDS), catalog)


@cache
def _function() -> Function:
    configure_logs()
    return make(from_environment())


def lambda_handler(event: Mapping[str, Any], context: Context) -> dict[str, Any] | None:
    """What Lambda calls."""
    return _function().call(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:  # in Lambda what can go wrong at the start is told of there
    _function()
