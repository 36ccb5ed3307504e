"""The events that every door is given, and what each door must make of them: the table of docs/aws.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from millrace.envelope import MAX_BYTES

PROCESSED, CONFLICT = "processed", "conflict"


def refused(field: str) -> str:
    """It is kept as a letter, or not sent at all, with an error that names this field."""
    return f"refused: {field}"


@dataclass(frozen=True)
class Vector:
    """An event as bytes, what names it beside them, and its outcome; `before` is sent first."""

    name: str
    body: str
    outcome: str
    beside: str | None = None
    before: str | None = None


def envelope(id_: str, **changes: Any) -> str:
    """A CloudEvent of the sample's sign-up."""
    fields = {"specversion": "1.0", "id": id_, "source": "/vectors", "type": "user.signed_up"}
    return json.dumps({**fields, "data": {"user_id": id_}, **changes})


PLAIN = '{"eventType": "USER_SIGNUP", "userId": "plain"}'
OWN_TASK = envelope("task", type="onboarding.step_due", data={"account_id": "a"})
VECTORS = [
    Vector("valid", envelope("valid"), PROCESSED),
    Vector(
        "valid, plain, under an alias", '{"eventType": "USER_SIGNUP", "userId": "plain"}', PROCESSED, beside="plain"
    ),
    Vector("valid, camelCase and snake_case", envelope("camel", data={"userId": "camel"}), PROCESSED),
    Vector("duplicate", envelope("twice"), PROCESSED, before=envelope("twice")),
    Vector(
        "duplicate, spelled another way",
        envelope("spelled", data={"userId": "spelled", "email": None}),
        PROCESSED,
        before=envelope("spelled"),
    ),
    Vector("same id, other payload", envelope("clash", data={"user_id": "b"}), CONFLICT, before=envelope("clash")),
    Vector("unknown event type", envelope("unknown", type="user.vanished"), refused("type")),
    Vector(
        "a group's own task", envelope("task", type="onboarding.step_due", data={"account_id": "a"}), refused("type")
    ),
    Vector("wrong type of a field", envelope("wrong", data={"user_id": 7}), refused("data.user_id")),
    Vector("field missing", envelope("missing", data={}), refused("data.user_id")),
    Vector("field too many", envelope("more", data={"user_id": "x", "shoe": 44}), refused("data.shoe")),
    Vector("payload of version 2", envelope("v2", dataschema="urn:millrace:user.signed_up:2"), refused("dataschema")),
    Vector("no source", envelope("nowhere", source=None), refused("source")),
    Vector("oversized", envelope("big", data={"user_id": "x" * MAX_BYTES}), refused("envelope")),
    Vector("no JSON", '{"specversion": "1.0", "id": "torn"', refused("envelope"), beside="torn"),
    Vector("JSON, no object", '["a sign-up"]', refused("envelope"), beside="list"),
    Vector("a time that is none", envelope("late", time="yesterday"), refused("time")),
]
