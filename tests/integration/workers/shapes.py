"""Messages that must not stop a worker: (what it is, headers, body, content type, properties)."""

import json
from typing import Any, NamedTuple

JSON = "application/json"
EVENTS = "application/cloudevents+json"
TASK: dict[str, Any] = {
    "lang": "py",
    "task": "order.placed",
    "id": "native-1",
    "root_id": "native-1",
    "argsrepr": "",
    "kwargsrepr": "",
    "retries": 0,
    "timelimit": [None, None],
}
EMBED: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
BODY = json.dumps([[], {"order_id": "native"}, EMBED])


class Shape(NamedTuple):
    """One bad message, and the field that its dead letter's reason names."""

    name: str
    field: str
    body: bytes | str
    headers: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    content_type: str | None = JSON
    encoding: str | None = None


def task(**changes: Any) -> dict[str, Any]:
    """Celery's headers with some changed; None takes one away."""
    return {name: value for name, value in {**TASK, **changes}.items() if name not in changes or value is not None}


def event(**changes: Any) -> str:
    """A CloudEvent with some attributes changed."""
    good = {"specversion": "1.0", "id": "bad", "source": "/x", "type": "order.placed", "data": {"order_id": "bad"}}
    return json.dumps({**good, **changes})


#: From a trusted user, so that what is wrong with the message itself is what is named.
NATIVE = [
    Shape("body is text", "body", '"hi"', TASK),
    Shape("body is an object", "body", "{}", TASK),
    Shape("body is a number", "body", "5", TASK),
    Shape("body is not JSON", "envelope", "hello", TASK),
    Shape("body is not UTF-8", "envelope", b"\xff\xfe", TASK),
    Shape("no id", "headers", BODY, task(id=None)),
    Shape("id is a number", "headers", BODY, task(id=5)),
    Shape("task is a number", "headers", BODY, task(task=7)),
    Shape("task is unknown", "type", BODY, task(task="no.such")),
    Shape("kwargs is a list", "body", json.dumps([[], [], EMBED]), TASK),
    Shape("positional arguments", "args", json.dumps([[1, 2], {}, EMBED]), TASK),
    Shape("callbacks", "embed", json.dumps([[], {"order_id": "x"}, {"callbacks": ["x"]}]), TASK),
    Shape("chain", "embed", json.dumps([[], {"order_id": "x"}, {"chain": ["x"]}]), TASK),
    Shape("pickle", "content-type", b"\x80\x04N.", TASK, "application/x-python-serialize"),
    Shape("expired", "expires", BODY, task(expires="2001-01-01T00:00:00+00:00")),
    Shape("eta is no time", "eta", BODY, task(eta="soon")),
    Shape("missing field", "data.order_id", json.dumps([[], {}, EMBED]), TASK),
]

#: From anyone.
PLAIN = [
    Shape("not JSON", "envelope", "hello"),
    Shape("not UTF-8", "envelope", b"\xff\xff", {}, EVENTS),
    Shape("UTF-16, and says so", "envelope", event().encode("utf-16"), {}, EVENTS, "utf-16"),
    Shape("UTF-8 that says it is UTF-16", "envelope", b"[1, 2] ?", {}, EVENTS, "utf-16"),
    Shape("Latin-1, and says so", "envelope", b'{"id": "\xe9"}', {}, EVENTS, "latin-1"),
    Shape("a list", "envelope", "[]"),
    Shape("a number", "envelope", "5"),
    Shape("null", "envelope", "null"),
    Shape("nothing at all", "envelope", b"", {}, None),
    Shape("10 MiB", "envelope", b"x" * (10 * 1024 * 1024), {}, EVENTS),
    Shape("nested 100,000 deep", "envelope", b"[" * 100_000, {}, EVENTS),
    Shape("nested as deep as fits", "envelope", b"[" * 32_000 + b"]" * 32_000, {}, EVENTS),
    Shape("an empty object", "eventType", "{}"),
    Shape("plain shape without an id", "id", '{"eventType": "ORDER", "orderId": "1"}'),
    Shape("event type is a number", "eventType", '{"eventType": 5}'),
    Shape("wrong specversion", "specversion", event(specversion="0.3")),
    Shape("wrong type of a field", "data.order_id", event(data={"order_id": 5})),
    Shape("unknown field", "data.surplus", event(data={"order_id": "1", "surplus": 1})),
    Shape("unknown payload version", "dataschema", event(dataschema="https://elsewhere.example/order")),
    Shape("unknown type", "type", event(type="no.such")),
    Shape("type of other groups", "type", event(type="order.shipped")),
    Shape("NUL in the id", "id", event(id="a\x00b")),
    Shape("generation is text", "x-millrace-generation", event(), {"x-millrace-generation": "x"}),
    Shape("compressed", "message", b"zzz", {"compression": "application/x-gzip"}),
    Shape("unknown encoding", "envelope", b"abc", {}, "text/plain", "utf-99"),
    Shape("native from nobody", "user-id", BODY, TASK),
    Shape("time limit is a number", "user-id", BODY, task(timelimit=5)),
    Shape("a bomb", "message", b"", {"compression": "bzip2"}),
]
