"""The state of a stack in numbers: queues, letters, relay, processes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from millrace import aws_names, names
from millrace.declarations import Catalog, WorkerGroup

from operations.local.numbers import Number
from operations.queue_numbers import QueueNumbers
from operations.sqs_numbers import SqsNumbers
from operations.store_numbers import StoreNumbers


@dataclass(frozen=True, kw_only=True)
class ProcessNumbers:
    """One supervised process of the local stack; `group` for a group's worker."""

    name: str
    state: str
    restarts: int = 0
    group: str | None = None
    pid: int | None = None


def running(processes: Iterable[ProcessNumbers], group: str) -> int:
    """How many of a group's workers run."""
    return sum(process.group == group and process.state == "running" for process in processes)


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that `status` and `alerts` look at; `processes` is None where no local stack is supervised."""

    queues: Mapping[str, QueueNumbers]
    store: StoreNumbers
    processes: Sequence[ProcessNumbers] | None = None
    flower: Mapping[str, Any] = field(default_factory=dict)
    #: the queues of the AWS door; None where the catalog has nothing there
    sqs: SqsNumbers | None = None
    #: services that failed and have not run well since, by their own word
    trouble: Sequence[str] = ()
    #: how many workers each group is to have, where the local stack's scaler says so
    numbers: Mapping[str, Number] = field(default_factory=dict)

    def queue(self, name: str) -> QueueNumbers:
        """The numbers of a queue; zeros if there is no such queue."""
        return self.queues.get(name, QueueNumbers())

    def transit(self, name: str) -> int:
        """Messages that the keeper has not moved to the tables yet."""
        return self.queue(name).messages


def status(situation: Situation, catalog: Catalog, vhost: str) -> dict[str, Any]:
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
        "aws": _aws(situation, catalog, vhost),
    }


def _aws(situation: Situation, catalog: Catalog, vhost: str) -> dict[str, Any] | None:
    """The AWS door: what waits to come in, by event type, what waits for each function, and what is to go out."""
    sqs = situation.sqs
    if sqs is None:
        return None
    coming = {event.type: aws_names.ingress_queue(vhost, event.type) for event in catalog.events if event.public}
    functions = {one.name: aws_names.function_queue(vhost, one.name) for one in catalog.functions}
    letters = situation.store.dead_letters
    return {
        "problem": sqs.problem,
        "ingress": {type_: _waiting(sqs, queue) for type_, queue in coming.items()},
        "functions": {
            name: {
                "at_broker": situation.transit(names.group_queue(name)),
                **_waiting(sqs, queue),
                "dead_letters": letters.get(name, 0) + situation.transit(names.dead_queue(name)),
            }
            for name, queue in functions.items()
        },
        "outward": situation.transit(names.OUTWARD),
    }


def _waiting(sqs: SqsNumbers, queue: str) -> dict[str, int]:
    numbers = sqs.waiting(queue)
    dead = sqs.waiting(aws_names.dead_queue(queue))
    return {"ready": numbers.ready, "in_flight": numbers.unacknowledged, "dead": dead.messages}


def _group(situation: Situation, declared: WorkerGroup) -> dict[str, Any]:
    group = declared.name
    queue = situation.queue(names.group_queue(group))
    states = situation.store.inbox.get(group, {})
    number = situation.numbers.get(group)
    return {
        "ready": queue.ready,
        "unacknowledged": queue.unacknowledged,
        "consumers": queue.consumers,
        # Where nobody supervises them here, the queue's consumers tell.
        "replicas": queue.consumers if situation.processes is None else running(situation.processes, group),
        "wanted": number.wanted if number else None,
        "scaled_by_hand": number.number if number and number.by_hand else None,
        "dead_letters": situation.store.dead_letters.get(group, 0) + situation.transit(names.dead_queue(group)),
        # Most of an idempotent group leave no record (decision 0507).
        "processed": None if declared.idempotent else states.get("processed", 0),
        "retrying": states.get("retrying", 0),
        "discarded": states.get("discarded", 0),
    }
