"""The functions' outbox table, as its relay reads and empties it."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from workers.functions.outbox import SHARD, Item

log = structlog.get_logger("millrace.dynamo_relay")

#: Items of one read, and reads of one look; what DynamoDB deletes at a time.
PAGE = 100
MOST_PAGES = 10
_DELETED_AT_ONCE = 25
_TRIES = 5

#: The key of an item, as DynamoDB's client takes and gives it.
Key = dict[str, Any]


class OutboxTable:
    """One table; its methods raise what boto3 raises."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def oldest(
        self, enough: Callable[[Sequence[Item]], bool], after: Key | None = None
    ) -> tuple[list[Item], Key | None]:
        """The oldest items (behind one, if its key is given), for sure, page by page until one is enough; by time.

        Beside them the key of the last, if there may be more behind it.
        """
        found: list[Item] = []
        for _ in range(MOST_PAGES):
            answer = self._client.query(
                TableName=self._name,
                KeyConditionExpression="shard = :shard",
                ExpressionAttributeValues={":shard": {"S": SHARD}},
                ConsistentRead=True,
                Limit=PAGE,
                **({"ExclusiveStartKey": after} if after else {}),
            )
            found += answer["Items"]
            after = answer.get("LastEvaluatedKey")
            if after is None or enough(answer["Items"]):
                break
        return found, after

    def delete(self, keys: Sequence[Key]) -> None:
        """Delete items; what DynamoDB does not get done in a few tries is sent again, and absorbed by its id."""
        for first in range(0, len(keys), _DELETED_AT_ONCE):
            left = [{"DeleteRequest": {"Key": key}} for key in keys[first : first + _DELETED_AT_ONCE]]
            for _ in range(_TRIES):
                if not left:
                    break
                answer = self._client.batch_write_item(RequestItems={self._name: left})
                left = answer.get("UnprocessedItems", {}).get(self._name, [])
            if left:
                log.warning("not deleted", items=len(left))
