"""The inbox in a DynamoDB table: FENCED by conditional writes; leases are judged without a clock (decision 0408).

The table has one key, `key` (text); `expires_at` may be its time-to-live attribute.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Self
from urllib.parse import SplitResult, parse_qs, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from workers.stores.items import Condition, Fields, ItemStore, ended, key_of, mine, refusal
from workers.stores.level import Level
from workers.stores.store import RETENTION_SECONDS, Outcome, StoreUnavailable, StoreUnfit, WrongInboxUrl
from workers.stores.watch import Watch
from workers.verdicts import DEAD_LETTERED, DISCARDED, PROCESSED, RUNNING, Claim

#: A delivery that waits for a lease comes back so much later, in seconds: the lease's end is marked by then.
MARK_SECONDS = 1.0
#: Bound a connect and an answer; with one repetition both are within derived.STORE_SECONDS.
CONNECT_SECONDS, ANSWER_SECONDS = 0.25, 0.75
_SCHEMA = [{"AttributeName": "key", "KeyType": "HASH"}]
_EXPIRY = "expires_at"
_ENDS = frozenset({PROCESSED, DISCARDED, DEAD_LETTERED})
_FORM = "dynamodb://TABLE?region=REGION[&endpoint=URL][&timeout=SECONDS]"


class DynamoStore(ItemStore):
    """The inbox in one table of one region; credentials come as boto3 finds them."""

    level: ClassVar[Level] = Level.FENCED
    paced: ClassVar[bool] = False

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table
        self._watch = Watch(self._mark_over)
        #: the service's own time, as its last answer said it (used for the retention only)
        self._told: float | None = None

    @classmethod
    def require_url(cls, url: str) -> None:
        """Raise WrongInboxUrl unless it names a table and a region."""
        parts = urlsplit(url)
        options = parse_qs(parts.query)
        unknown = sorted(set(options) - {"region", "endpoint", "timeout"})
        seconds = options.get("timeout", ["1"])[0]
        if not parts.netloc or "region" not in options or unknown or parts.path.strip("/") or not seconds.isdecimal():
            raise WrongInboxUrl(f"must be {_FORM}, got another form")

    @classmethod
    def at(cls, url: str) -> Self:
        """The store at a URL; nothing is reached yet. A slow stand-in may be given more time to answer."""
        parts: SplitResult = urlsplit(url)
        options = {name: values[0] for name, values in parse_qs(parts.query).items()}
        limits = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=float(options.get("timeout", ANSWER_SECONDS)),
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        endpoint = options.get("endpoint")
        client = boto3.client("dynamodb", region_name=options["region"], endpoint_url=endpoint, config=limits)
        return cls(client, parts.netloc)

    def check(self) -> None:
        """Raise StoreUnfit unless the table is there, with its key, in one region."""
        try:
            with _answering():
                table = self._client.describe_table(TableName=self._table)["Table"]
        except StoreUnavailable as error:
            raise StoreUnfit(f"the DynamoDB table {self._table} must be reachable, got {error}") from error
        if table["KeySchema"] != _SCHEMA or table["TableStatus"] not in ("ACTIVE", "UPDATING"):
            raise StoreUnfit(
                f"the DynamoDB table {self._table} must be active with the one key `key` (type S), "
                f"got {table['TableStatus']} with {table['KeySchema']}"
            )
        if table.get("Replicas") and table.get("MultiRegionConsistency") != "STRONG":
            raise StoreUnfit(f"the DynamoDB table {self._table} must be in one region, got replicas: last writer wins")

    def _change(self, key: str, where: Condition, put: Condition, *, seconds: float | None = None) -> Fields | None:
        timed = put if seconds is None else {**put, "seconds": str(seconds)}
        update = _Update()
        update.require(where)
        update.put(timed)
        if seconds is not None:
            update.keep()
        elif put.get("state") in _ENDS and self._told is not None:
            update.expire(round(self._told) + RETENTION_SECONDS)
        try:
            with _answering():
                answer = self._client.update_item(
                    TableName=self._table,
                    Key={"key": {"S": key}},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **update.arguments(),
                )
        except ClientError as refused:
            self._note_time(refused.response)  # a claim whose first answer was lost is made by this one
            item = fields_of(refused.response.get("Item", {}))
            wanted = {**where, **timed}
            made = all(item.get(name) == value for name, value in wanted.items())
            return None if item and made else item
        self._note_time(answer)
        return None

    def complete_with(self, held: Claim, outcome: Outcome, table: str, items: Sequence[Mapping[str, Any]]) -> None:
        """Record the outcome and put items into another table, in one transaction.

        A repeated request is known by its token (boto3 makes one for each call). Raises Fenced, StoreUnavailable.
        """
        update = _Update()
        update.require(mine(held))
        update.put(ended(outcome))
        if self._told is not None:
            update.expire(round(self._told) + RETENTION_SECONDS)
        key = {"key": {"S": key_of(held.request)}}
        old = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        outcome_write = {"Update": {"TableName": self._table, "Key": key, **old, **update.arguments()}}
        puts = [{"Put": {"TableName": table, "Item": item}} for item in items]
        try:
            with _answering():
                self._client.transact_write_items(TransactItems=[outcome_write, *puts])
        except ClientError as refused:
            reason = refused.response["CancellationReasons"][0]
            raise refusal(held, fields_of(reason.get("Item", {}))) from refused

    def _get(self, key: str) -> Fields:
        with _answering():
            answer = self._client.get_item(TableName=self._table, Key={"key": {"S": key}}, ConsistentRead=True)
        return fields_of(answer.get("Item", {}))

    def _wait(self, item: Fields) -> float:
        """Seconds until this process has seen the claim for its whole lease; a retry is due when its message is."""
        if item["state"] != RUNNING or item.get("over") == item["token"]:
            return 0.0
        remaining = self._watch.remaining(item["key"], item["token"], float(item["seconds"]))
        return remaining + MARK_SECONDS if remaining else 0.0

    def _mark_over(self, key: str, token: str) -> None:
        self._change(key, {"token": token, "state": RUNNING}, {"over": token})

    def _note_time(self, answer: Mapping[str, Any]) -> None:
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if date:
            self._told = parsedate_to_datetime(date).timestamp()

    def close(self) -> None:
        """Close all connections."""
        self._watch.close()
        self._client.close()


class _Update:
    """The arguments of one conditional UpdateItem; every name and value goes by a placeholder."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, dict[str, str]] = {}
        self._conditions: list[str] = []
        self._sets: list[str] = []
        self._removes: list[str] = []

    def require(self, where: Condition) -> None:
        """Let the update depend on fields."""
        for name, value in where.items():
            field = self._name(name)
            self._conditions.append(
                f"attribute_not_exists({field})" if value is None else f"{field} = {self._value({'S': value})}"
            )

    def put(self, fields: Condition) -> None:
        """Set or remove text fields."""
        for name, value in fields.items():
            if value is None:
                self._removes.append(self._name(name))
            else:
                self._sets.append(f"{self._name(name)} = {self._value({'S': value})}")

    def keep(self) -> None:
        """Let the item stay."""
        self._removes.append(self._name(_EXPIRY))

    def expire(self, at: int) -> None:
        """Let the item go at a time, in seconds since 1970."""
        self._sets.append(f"{self._name(_EXPIRY)} = {self._value({'N': str(at)})}")

    def arguments(self) -> dict[str, Any]:
        """As boto3 takes them."""
        parts = [f"{word} {', '.join(each)}" for word, each in (("SET", self._sets), ("REMOVE", self._removes)) if each]
        return {
            "UpdateExpression": " ".join(parts),
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": {short: name for name, short in self._names.items()},
            "ExpressionAttributeValues": self._values,
        }

    def _name(self, name: str) -> str:
        return self._names.setdefault(name, f"#n{len(self._names)}")

    def _value(self, value: dict[str, str]) -> str:
        short = f":v{len(self._values)}"
        self._values[short] = value
        return short


def fields_of(raw: Mapping[str, Mapping[str, str]]) -> Fields:
    """The text fields of an item as boto3 gives it."""
    return {name: typed["S"] for name, typed in raw.items() if "S" in typed}


def _is_refused_transaction(error: ClientError) -> bool:
    """Whether a transaction was cancelled by its first condition (else it is a conflict or a limit: tried again)."""
    reasons = error.response.get("CancellationReasons") or [{}]
    return bool(reasons[0].get("Code") == "ConditionalCheckFailed")


@contextmanager
def _answering() -> Iterator[None]:
    """A refused condition passes through; all else that goes wrong is no answer."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code != "ConditionalCheckFailedException" and not _is_refused_transaction(error):
            raise StoreUnavailable(f"{code}: {error.response['Error'].get('Message', '')}"[:300]) from error
        raise
    except BotoCoreError as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}"[:300]) from error
