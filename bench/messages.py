"""How an order travels to each contender: what its own publisher would send."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from millrace import names, seal
from millrace.publishing.message import Message, event_message

from bench.catalog import GROUPS, Order
from bench.orders import order

#: A number, bytes of a note and the time of sending (nanoseconds, 0: nobody wants to know) become a message.
Maker = Callable[[int, int, int], Message]


def event_for(group: str, *, by_the_door: bool = False) -> Maker:
    """Events of a group, into its queue or, as services send them, to the door `in`."""
    payload: type[Order] = GROUPS[group]

    def make(number: int, note: int, sent_at: int) -> Message:
        envelope = seal(payload(**order(number, note, sent_at)), source="/bench", id=str(uuid.uuid4()))
        if by_the_door:
            return event_message(envelope)
        key = names.group_key(group)
        return Message(exchange=names.GROUPS, routing_key=key, body=envelope.to_bytes(), message_id=envelope.id)

    return make


def _json(queue: str, body: object, id_: str, headers: dict[str, Any] | None = None) -> Message:
    return Message(
        exchange="",
        routing_key=queue,
        body=json.dumps(body).encode(),
        message_id=id_,
        content_type="application/json",
        headers=headers or {},
    )


def celery_task(queue: str, task: str = "order") -> Maker:
    """A task message of Celery's protocol 2."""

    def make(number: int, note: int, sent_at: int) -> Message:
        id_ = str(uuid.uuid4())
        embed = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))
        headers = {"lang": "py", "task": task, "id": id_, "root_id": id_, "retries": 0}
        return _json(queue, [[], order(number, note, sent_at), embed], id_, headers)

    return make


def dramatiq_message(queue: str) -> Maker:
    """Dramatiq's own JSON."""

    def make(number: int, note: int, sent_at: int) -> Message:
        id_ = str(uuid.uuid4())
        work = {"queue_name": queue, "actor_name": "order", "args": [], "kwargs": order(number, note, sent_at)}
        return _json(
            queue, {**work, "options": {}, "message_id": id_, "message_timestamp": time.time_ns() // 10**6}, id_
        )

    return make


def taskiq_message(queue: str) -> Maker:
    """Taskiq's own JSON."""

    def make(number: int, note: int, sent_at: int) -> Message:
        id_ = str(uuid.uuid4())
        body = {"task_id": id_, "task_name": "order", "labels": {}, "args": [], "kwargs": order(number, note, sent_at)}
        return _json(queue, body, id_, {"task_id": id_, "task_name": "order"})

    return make


def plain_json(queue: str) -> Maker:
    """The order itself."""

    def make(number: int, note: int, sent_at: int) -> Message:
        return _json(queue, order(number, note, sent_at), str(uuid.uuid4()))

    return make
