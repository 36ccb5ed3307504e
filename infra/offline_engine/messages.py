"""Whether a queue that is about to be deleted holds messages."""

from collections.abc import Iterable, Mapping
from typing import Any

from infra.offline_engine.management import Management

#: Asks for counts as the queues keep them, not for those of the statistics, which are older.
FRESH = {"disable_stats": "true", "enable_queue_totals": "true"}
PROBE = {"count": 1, "ackmode": "reject_requeue_true", "encoding": "base64", "truncate": 1}


def queues_of(api: Management, vhost: str) -> dict[str, Mapping[str, Any]]:
    """The vhost's queues by name, with their type, policy and counts."""
    return {queue["name"]: queue for queue in api.get("queues", vhost, **FRESH)}


def holding(api: Management, vhost: str, names: Iterable[str]) -> dict[str, int]:
    """The queues among these that hold messages, ready or unacknowledged, with their number.

    Counts may be five seconds old, so a queue that says zero is asked for one message, which is given back.
    """
    present = queues_of(api, vhost)
    counts = {name: _count(api, vhost, present[name]) for name in names if name in present}
    return {name: count for name, count in counts.items() if count}


def _count(api: Management, vhost: str, queue: Mapping[str, Any]) -> int:
    count = int(queue.get("messages") or 0)
    if count or queue.get("type") == "stream" or queue.get("exclusive"):
        return count
    got = api.post("queues", vhost, queue["name"], "get", body=PROBE)
    return int(got[0]["message_count"]) + 1 if got else 0
