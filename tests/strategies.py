"""What property tests draw from: any JSON, any bytes, any header; and a catalog whose payload takes nearly anything."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from hypothesis import strategies as st
from millrace.declarations import Catalog, Event, Payload, Service, WorkerGroup
from pydantic import Field

from workers.received import Delivery, trusted_users


class Free(Payload):
    """A payload with fields of many kinds, each with a default."""

    event_type: ClassVar[str] = "any.thing"
    text: str = ""
    number: int = 0
    share: float = 0.0
    at: datetime | None = None
    price: Decimal = Decimal(0)
    shares: list[float] = Field(default_factory=list)
    tags: frozenset[int] = frozenset()
    groups: frozenset[frozenset[int]] = frozenset()
    rest: dict[str, Any] = Field(default_factory=dict)


CATALOG = Catalog(
    events=[Event(Free, aliases=["ANY_THING"])],
    groups=[WorkerGroup("g", handles=[Free])],
    services=[Service("office", celery=True)],
)
TRUSTED = trusted_users(CATALOG, "v")
OFFICE = "v.service.office"
EMBED: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}

#: Text as any sender may have it: NUL and lone surrogates among it, which databases do not hold.
ANY_TEXT = st.text(st.characters() | st.sampled_from("\x00\ud800"), max_size=10)
#: Text that JSON in UTF-8 can say.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_LARGE = st.sampled_from([10**300, -(10**18), 2**63, 1e300, -0.0, 1e15])


def _nested(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
    )


ANY_JSON = _nested(st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | _LARGE, ANY_TEXT)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
GOOD_JSON = _nested(st.none() | st.booleans() | st.integers() | FINITE | TEXT | _LARGE, TEXT)

#: Fields that Free takes.
FREE = st.fixed_dictionaries(
    {},
    optional={
        "text": TEXT,
        "number": st.integers(),
        "share": FINITE,
        "at": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
        "price": st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
        "shares": st.lists(FINITE, max_size=4),
        "tags": st.lists(st.integers(), max_size=4),
        "groups": st.lists(st.lists(st.integers(-20, 20), max_size=3), max_size=3),
        "rest": st.dictionaries(TEXT, GOOD_JSON, max_size=3),
    },
)
IDS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
EVENTS = st.fixed_dictionaries(
    {"specversion": st.just("1.0"), "id": IDS, "source": st.just("/s"), "type": st.just("any.thing"), "data": FREE},
    optional={"dataschema": st.just("urn:millrace:any.thing:1"), "subject": IDS, "tenant": IDS, "partitionkey": IDS},
)


def encoded(value: object) -> bytes:
    """As a careless sender would encode it: NaN, infinities and lone surrogates included."""
    return json.dumps(value).encode()


@st.composite
def damaged(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """A body with some bytes cut out and others put in."""
    raw = draw(bodies)
    at = draw(st.integers(0, len(raw)))
    return raw[:at] + draw(st.binary(max_size=4)) + raw[at + draw(st.integers(0, 5)) :]


@st.composite
def _stretched(draw: st.DrawFn) -> bytes:
    """An event, plain or in Celery's format, whose size or depth is close to what is allowed."""
    grow = draw(st.sampled_from(["text", "depth", "floats"]))
    if grow == "text":
        fields = json.dumps({"text": "x" * draw(st.integers(65_200, 65_600))})
    elif grow == "depth":
        depth = draw(st.integers(190, 205))
        fields = f'{{"rest": {{"a": {"[" * depth}{"]" * depth}}}}}'
    else:
        fields = f'{{"shares": [{",".join(["1e15"] * draw(st.integers(3_000, 13_000)))}]}}'
    event = '{"specversion": "1.0", "id": "1", "source": "/s", "type": "any.thing", "data": %s}'
    shape = draw(st.sampled_from([event, "[[], %s, {}]", "[[%s], {}, {}]", '{"eventType": "any.thing", %s']))
    return (shape % (fields[1:] if "eventType" in shape else fields)).encode()


_NATIVE = FREE.map(lambda fields: encoded([[], fields, EMBED])) | FREE.map(lambda fields: encoded([[fields], {}, {}]))
_PLAIN = FREE.map(lambda fields: encoded({"eventType": "ANY_THING", **fields}))
GOOD_BODIES = EVENTS.map(encoded) | _NATIVE | _PLAIN
BODIES = st.one_of(
    st.binary(max_size=200), ANY_JSON.map(encoded), GOOD_BODIES, damaged(GOOD_BODIES), _stretched(), GOOD_BODIES
)

_MOMENTS = st.datetimes(timezones=st.none() | st.just(UTC)).map(datetime.isoformat)
#: What an AMQP header may hold: numbers of 64 bits, times from 1970 on.
_ODD = st.one_of(
    _nested(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | ANY_TEXT, ANY_TEXT),
    st.binary(max_size=5),
    st.datetimes(min_value=datetime(1970, 1, 1)),
    st.decimals(places=2, min_value=-100, max_value=100),
)
_NAMES = st.sampled_from(["timelimit", "retries", "x-millrace-generation", "x-death", "x-millrace-cause", "x-other"])
_EXTRA = st.dictionaries(_NAMES | ANY_TEXT, _ODD, max_size=2)
_TYPES = st.sampled_from(["any.thing", "ANY_THING"])
_TIMES = st.dictionaries(st.sampled_from(["eta", "expires"]), _MOMENTS, max_size=2)
_KINDS = st.sampled_from(["application/json", "application/cloudevents+json", "text/plain"]) | st.none() | ANY_TEXT
_ANY_HEADERS = st.dictionaries(_NAMES | st.sampled_from(["task", "id", "eta", "expires"]), _ODD | _TYPES, max_size=4)


def _came(
    body: st.SearchStrategy[bytes],
    headers: st.SearchStrategy[dict[str, Any]],
    properties: st.SearchStrategy[dict[str, Any]],
    content_type: st.SearchStrategy[str | None],
) -> st.SearchStrategy[Delivery]:
    exchange = st.sampled_from(["groups", "in", ""])
    parts = {"body": body, "headers": headers, "properties": properties, "content_type": content_type}
    return st.builds(Delivery, **parts, exchange=exchange)


_named = st.builds(lambda id_, more: {"message_id": id_} | more, IDS, st.just({}))
_office = st.just({"user_id": OFFICE})
_task = st.builds(
    lambda type_, id_, more: more | {"task": type_, "id": id_}, _TYPES, IDS, st.just({}) | _TIMES | _EXTRA
)
_any_properties = st.dictionaries(st.sampled_from(["message_id", "user_id"]), _ODD | st.just(OFFICE), max_size=2)
_json = st.just("application/json")

#: Any message: each accepted shape, as it should be and nearly so, and anything.
DELIVERIES = st.one_of(
    _came(_NATIVE, _task, _office, _json),
    _came(_NATIVE | _stretched(), _task, _office, _json),
    _came(EVENTS.map(encoded), st.just({}) | _EXTRA, _any_properties, _KINDS),
    _came(_PLAIN, st.just({}) | _EXTRA, _named, _json),
    _came(BODIES, _ANY_HEADERS | _task, _any_properties | _office | _named, _json | _KINDS),
)
