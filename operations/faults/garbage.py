"""Messages that no producer of the catalog would send, and that have stopped Celery workers (celery #1113, #1825)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import amqp

from operations.faults.world import World

Odd = tuple[bytes, Mapping[str, Any]]


def odd_bodies(group: str) -> list[Odd]:
    """Bodies and headers that Celery cannot take, each with a mark that makes its bytes unlike any other's."""
    mark = uuid.uuid4().hex
    named = {"task": f"fault.{group}", "id": mark}
    return [
        (f'"{mark}"'.encode(), named),
        (f'{{"{mark}": 1}}'.encode(), named),
        (f"{{not json {mark}".encode(), {}),
        (f"\xff\xfe{mark}".encode("latin-1"), named),
        (json.dumps([[], {"subject": mark}, {}]).encode(), {"task": "fault.begun"}),
    ]


def odd_headers() -> list[Odd]:
    """Messages in Celery's own format from nobody whom we trust, with headers that it does not check."""
    made: list[Odd] = []
    headers: tuple[dict[str, Any], ...] = (
        {"timelimit": 5},
        {"eta": 3},
        {"retries": "many"},
        {"timelimit": ["a", "b", "c"]},
        {"expires": []},
    )
    for odd in headers:
        mark = uuid.uuid4().hex
        body = json.dumps([[], {"subject": mark}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
        made.append((body.encode(), {"task": "fault.begun", "id": mark, "lang": "py", **odd}))
    return made


def put_on_queue(world: World, queue: str, messages: Sequence[Odd]) -> None:
    """Put messages on a queue as the broker's administrator, past every check of ours."""
    record = world.record
    login = {"userid": record.admin["user"], "password": record.admin["password"], "virtual_host": record.vhost}
    with amqp.Connection(world.broker.amqp, **login) as connection:
        channel = connection.channel()
        for body, headers in messages:
            message = amqp.Message(
                body,
                content_type="application/json",
                content_encoding="utf-8",
                delivery_mode=2,
                application_headers=dict(headers),
            )
            channel.basic_publish_confirm(message, "", queue)
