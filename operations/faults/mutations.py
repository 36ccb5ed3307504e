"""Mutated messages among good ones: each is made so that it is known, without asking the guard, what must become of it.

A bad one must be a letter byte for byte; its payload names a subject of the scenario, so that one which is handled
after all is a phantom. An odd one is a good event in strange clothes, and counts like any other.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import amqp
from millrace import names

from operations.faults.sample import Begun, Called, Followed, Poisonous
from operations.faults.scenario import Fault, Scene

INJECTIONS = 20
#: What each group's queue would take, were it not mutated.
TYPES = {
    "first": Begun.event_type,
    "second": Followed.event_type,
    "caller": Called.event_type,
    "poisoned": Poisonous.event_type,
}
#: One message in so many of those that are mutated stays a good event; one in so many is large.
ODD, LARGE = 10, 400
LARGE_BYTES = 10 * 1024 * 1024
DEPTH = 100_000


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A message to put on a queue (or, with an exchange, there), with AMQP properties."""

    body: bytes
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)


def event(id_: str, subject: str, type_: str) -> dict[str, Any]:
    """A good event, before it is mutated; its id comes first."""
    return {"id": id_, "specversion": "1.0", "source": "/mutated", "type": type_, "data": {"subject": subject}}


def _cut(raw: bytes, rng: random.Random) -> bytes:
    """A beginning of an object, its id in it: never JSON."""
    return raw[: rng.randrange(60, len(raw))]


def _put_in(piece: bytes) -> Callable[[bytes, random.Random], bytes]:
    """Bytes that no JSON text in UTF-8 holds, anywhere behind the id."""

    def put(raw: bytes, rng: random.Random) -> bytes:
        at = rng.randrange(60, len(raw))
        return raw[:at] + piece + raw[at:]

    return put


def _changed(**changes: object) -> Callable[[bytes, random.Random], bytes]:
    """Attributes that CloudEvents, or the catalog, does not allow."""
    return lambda raw, _rng: json.dumps({**json.loads(raw), **changes}).encode()


def _without(name: str) -> Callable[[bytes, random.Random], bytes]:
    return lambda raw, _rng: json.dumps({k: v for k, v in json.loads(raw).items() if k != name}).encode()


def _with_data(**changes: object) -> Callable[[bytes, random.Random], bytes]:
    def change(raw: bytes, _rng: random.Random) -> bytes:
        fields = json.loads(raw)
        return json.dumps({**fields, "data": {**fields["data"], **changes}}).encode()

    return change


def _plain(raw: bytes, _rng: random.Random) -> bytes:
    """The plain shape, whose id is not in it, and is not given."""
    fields = json.loads(raw)
    return json.dumps({"eventType": fields["type"], "subject": fields["data"]["subject"] + fields["id"]}).encode()


def _celery(raw: bytes, _rng: random.Random) -> bytes:
    """Celery's body, which counts only from those whom the broker vouches for."""
    fields = json.loads(raw)
    return json.dumps([[], fields["data"], {"callbacks": None, "mark": fields["id"]}]).encode()


#: Each makes a body that must be refused, whatever comes with it but `message_id`.
BODIES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _cut,
    _put_in(b"\xff"),
    _put_in(b"\x00"),
    _put_in(b"\xed\xa0\x80"),
    _put_in(b"\n\x1b"),
    lambda raw, _rng: raw.decode().encode("utf-16"),
    lambda raw, _rng: raw.decode().encode("utf-32-le"),
    lambda raw, _rng: gzip.compress(raw, mtime=0),
    lambda raw, _rng: raw + raw,
    lambda raw, _rng: b"[" + raw + b"]",
    lambda raw, _rng: json.dumps(raw.decode()).encode(),
    lambda raw, _rng: raw[:-2] + b', "deep": ' + b"[" * DEPTH + b"]" * DEPTH + b"}}",
    lambda raw, _rng: raw[:-2] + b', "how": NaN}}',
    _changed(specversion="0.3"),
    _changed(source="not a uri"),
    _changed(type="no.such_type"),
    _changed(type=5),
    _changed(time=1_700_000_000),
    _changed(data=[]),
    _changed(datacontenttype="text/xml"),
    _changed(Extension="x"),
    _changed(extension={"a": 1}),
    _changed(data_base64="AA=="),
    _changed(traceparent="x"),
    _changed(dataschema="urn:someone:else"),
    _without("source"),
    _without("type"),
    _without("data"),
    _with_data(subject=5),
    _with_data(more="x"),
    _plain,
    _celery,
)
#: Headers of Celery's format that it does not check.
_CELERY_HEADERS: tuple[dict[str, Any], ...] = (
    {"timelimit": 5},
    {"eta": 3},
    {"eta": "never"},
    {"retries": "many"},
    {"expires": []},
    {"timelimit": ["a", "b", "c"]},
    {"group": {"a": [None]}},
)
_ENCODINGS = ("utf-8", "utf-16", "binary", "base64", "gzip", "nonsense")
_TYPES = ("application/json", "application/x-python-serialize", "application/data", "text/plain", "\x00", "é" * 60)


def bad(rng: random.Random, subject: str, type_: str, *, large: bool = False) -> Mutant:
    """A message that must become a letter."""
    mark = f"{rng.getrandbits(128):032x}"
    raw = json.dumps(event(mark, subject, type_)).encode()
    if large:
        return Mutant(body=raw + b" " * LARGE_BYTES)
    headers: dict[str, Any] = {}
    if rng.random() < 0.3:  # noqa: PLR2004 (a share)
        headers = {"task": rng.choice((type_, "no.such")), "id": mark, "lang": "py", **rng.choice(_CELERY_HEADERS)}
    elif rng.random() < 0.3:  # noqa: PLR2004 (a share)
        headers = _odd_headers(rng)
    body = raw if "task" in headers and rng.random() < 0.5 else rng.choice(BODIES)(raw, rng)  # noqa: PLR2004
    properties = _odd_properties(rng)
    if rng.random() < 0.05:  # noqa: PLR2004 (a share): what kombu would inflate, or cannot
        headers = {**headers, "compression": rng.choice(("application/x-gzip", "nonsense", 5, {}))}
    if rng.random() < 0.05:  # noqa: PLR2004 (a share): what py-amqp cannot decode
        properties["correlation_id"] = b"\xff\xfe"
    return Mutant(body=body, headers=headers, properties=properties)


def odd(rng: random.Random, subject: str, type_: str) -> Mutant:
    """A good event in strange clothes: shuffled keys, white space, extensions, any content type and headers."""
    fields = {**event(subject, subject, type_), "sequence": 7, "tenant": "é\n", "time": None}
    names_ = rng.sample(sorted(fields), len(fields))
    body = json.dumps({name: fields[name] for name in names_}, indent=rng.choice((None, 1, "\t")), ensure_ascii=False)
    return Mutant(body=body.encode(), headers=_odd_headers(rng), properties=_odd_properties(rng))


def _odd_headers(rng: random.Random) -> dict[str, Any]:
    """Headers of every AMQP type, none of which means anything to us."""
    values: tuple[Any, ...] = (None, True, -1, 2**40, 1.5, "é\x00", {"a": {"b": [1, "x"]}}, [[], {}], "x" * 5_000)
    return {f"odd-{number}": rng.choice(values) for number in range(rng.randrange(4))}


def _odd_properties(rng: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {"content_type": rng.choice(_TYPES), "content_encoding": rng.choice(_ENCODINGS)}
    if rng.random() < 0.3:  # noqa: PLR2004 (a share)
        made |= {"priority": rng.randrange(256), "reply_to": "nobody", "type": "t", "app_id": "é"}
    return made


def put_mutants(scene: Scene, rng: random.Random) -> int:
    """Put a part of as many mutated messages as there are events on the queues, bad ones and odd ones."""
    count = max(1, len(scene.load.events) // INJECTIONS)
    prefix = scene.load.events[0].id.rpartition("-")[0]
    record = scene.world.record
    login = {"userid": record.admin["user"], "password": record.admin["password"], "virtual_host": record.vhost}
    with amqp.Connection(scene.world.broker.amqp, **login) as connection:
        channel = connection.channel()
        for _ in range(count):
            subject = f"{prefix}-m{rng.getrandbits(64):x}"
            if rng.randrange(ODD) == 0:
                scene.ledger.mean({subject: Begun.event_type})
                _put(channel, odd(rng, subject, Begun.event_type), names.IN, Begun.event_type)
                scene.ledger.accept([subject])
            else:
                group = rng.choice(sorted(TYPES))
                mutant = bad(rng, subject, TYPES[group], large=rng.randrange(LARGE) == 0)
                _put(channel, mutant, "", names.group_queue(group))
                scene.ledger.invalid.add(mutant.body)
    return 1


def _put(channel: amqp.Channel, mutant: Mutant, exchange: str, key: str) -> None:
    message = amqp.Message(mutant.body, delivery_mode=2, application_headers=dict(mutant.headers), **mutant.properties)
    channel.basic_publish_confirm(message, exchange, key, mandatory=True)


FAULTS: Sequence[Fault] = (Fault(name="mutated messages", inject=put_mutants, injections=INJECTIONS),)
