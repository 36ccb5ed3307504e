"""The state of a stack in numbers: queues, letters, relay, processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from millrace import names
from millrace.declarations import Catalog, WorkerGroup

from operations.queue_numbers import QueueNumbers
from operations.store_numbers import StoreNumbers


@dataclass(frozen=True, kw_only=True)
class ProcessNumbers:
    """One supervised process of the local stack; `group` for a group's worker."""

    name: str
    state: str
    restarts: int = 0
    group: str | None = None
    pid: int | None = None


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that `status` and `alerts` look at; `processes` is None where no local stack is supervised."""

    queues: Mapping[str, QueueNumbers]
    store: StoreNumbers
    processes: Sequence[ProcessNumbers] | None = None
    flower: Mapping[str, Any] = field(default_factory=dict)
    #: services that failed and have not run well since, by their own word
    trouble: Sequence[str] = ()

    def queue(self, name: str) -> QueueNumbers:
        """The numbers of a queue; zeros if there is no such queue."""
        return self.queues.get(name, QueueNumbers())

    def transit(self, name: str) -> int:
        """Messages that the keeper has not moved to the tables yet."""
        return self.queue(name).messages


def status(situation: Situation, catalog: Catalog) -> dict[str, Any]:
    """What `millrace status --json` prints."""
    store = situation.store
    return {
        "groups": {group.name: _group(situation, group) for group in catalog.groups},
        "parked": sum(store.parked.values()) + situation.transit(names.PARKED),
        "rejected": store.rejected + situation.transit(names.REJECTED),
        "relay": {
            "unpublished": store.unpublished,
            "lag_seconds": round(store.relay_lag, 1),
            "error": store.relay_error,
            "stopped_keys": [stopped.as_json() for stopped in store.stopped_keys],
        },
        "processes": {
            process.name: {"state": process.state, "restarts": process.restarts, "pid": process.pid}
            for process in situation.processes or ()
        },
        "flower": dict(situation.flower),
    }


def _group(situation: Situation, declared: WorkerGroup) -> dict[str, Any]:
    group = declared.name
    queue = situation.queue(names.group_queue(group))
    states = situation.store.inbox.get(group, {})
    return {
        "ready": queue.ready,
        "unacknowledged": queue.unacknowledged,
        "consumers": queue.consumers,
        "replicas": _replicas(situation, group, queue),
        "dead_letters": situation.store.dead_letters.get(group, 0) + situation.transit(names.dead_queue(group)),
        # Most of an idempotent group leave no record (decision 0507).
        "processed": None if declared.idempotent else states.get("processed", 0),
        "retrying": states.get("retrying", 0),
        "discarded": states.get("discarded", 0),
    }


def _replicas(situation: Situation, group: str, queue: QueueNumbers) -> int:
    """Running worker processes; where nobody supervises them here, the queue's consumers tell."""
    if situation.processes is None:
        return queue.consumers
    return sum(1 for process in situation.processes if process.group == group and process.state == "running")
