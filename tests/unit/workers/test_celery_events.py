"""Celery's own events as they are written, and read."""

from kombu import serialization

from workers.celery_events import SERIALIZER, register_serializer

EVENTS = [
    {"type": "task-received", "uuid": 'é"\\', "args": "(1,)", "retries": 0, "clock": 7, "timestamp": 1.5e9 + 0.25}
]


def test_they_are_json_to_who_reads_them() -> None:
    register_serializer()
    content_type, encoding, body = serialization.dumps(EVENTS, SERIALIZER)
    assert (content_type, encoding) == ("application/json", "utf-8")
    assert serialization.loads(body, content_type, encoding, accept={"application/json"}) == EVENTS


def test_others_write_json_as_before() -> None:
    register_serializer()
    assert serialization.dumps({"a": 1}, "json") == ("application/json", "utf-8", '{"a": 1}')
