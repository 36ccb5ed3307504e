"""Who drains a queue in the benchmark: which message, which processes."""

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millrace import names, seal
from millrace.publishing.message import Message

from bench.catalog import OrderPlaced
from bench.celery_peer import BARE, WITH_INBOX

#: Processes that work, for each contender: one for each core of a small machine.
PROCESSES = 2


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to drain a queue; `commands` are its processes, `events` how many are drained in a round."""

    name: str
    queue: str
    commands: Sequence[Sequence[str]]
    message: Callable[[int], Message]
    events: int


def _order(number: int) -> OrderPlaced:
    return OrderPlaced(order_id=f"order-{number}", customer=f"customer-{number % 1000}", cents=number % 10_000)


def _event(group: str) -> Callable[[int], Message]:
    def make(number: int) -> Message:
        envelope = seal(_order(number), source="/bench", id=str(uuid.uuid4()))
        key = names.group_key(group)
        return Message(exchange=names.GROUPS, routing_key=key, body=envelope.to_bytes(), message_id=envelope.id)

    return make


def _task(queue: str) -> Callable[[int], Message]:
    def make(number: int) -> Message:
        id_ = str(uuid.uuid4())
        embed = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))
        body = json.dumps([[], _order(number).model_dump(), embed]).encode()
        headers = {"lang": "py", "task": queue, "id": id_, "root_id": id_, "retries": 0}
        return Message(
            exchange="",
            routing_key=queue,
            body=body,
            message_id=id_,
            content_type="application/json",
            headers=headers,
        )

    return make


def _lane(group: str, events: int) -> Contender:
    commands = [("workers", group)] * PROCESSES
    return Contender(name=f"lane, {group}", queue=group, commands=commands, message=_event(group), events=events)


def _celery(name: str, queue: str, events: int) -> Contender:
    options = f"-c {PROCESSES} -P prefork -Q {queue} -l WARNING --without-gossip --without-mingle".split()
    commands = [("celery", "-A", "bench.celery_peer", "worker", *options)]
    return Contender(name=name, queue=queue, commands=commands, message=_task(queue), events=events)


CONTENDERS = (
    _celery("Celery, no inbox", BARE, 10_000),
    _celery("Celery, usual inbox + effect", WITH_INBOX, 6_000),
    _lane("with-effect", 30_000),
    _lane("inbox-only", 30_000),
)
