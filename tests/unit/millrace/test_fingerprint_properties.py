"""The fingerprint: the same for equal payloads however they are spelled, another one for every other payload."""

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from millrace.envelope import fingerprint
from pydantic.alias_generators import to_camel

from tests.strategies import FREE, GOOD_JSON, Free, encoded


def turned(value: Any) -> Any:
    """The same JSON with the keys of each object the other way round."""
    if isinstance(value, dict):
        return {name: turned(each) for name, each in reversed(value.items())}
    return [turned(each) for each in value] if isinstance(value, list) else value


def written(payload: Free) -> str:
    """A payload in full, every default said, sets in order: what a reader would compare."""
    plain = payload.model_dump(mode="json")
    plain["tags"] = sorted(plain["tags"])
    plain["groups"] = sorted(sorted(each) for each in plain["groups"])
    # what a default equals is the default: -0.0 and 0E+5 among it
    same = {
        name: None
        for name, field in Free.model_fields.items()
        if getattr(payload, name) == field.get_default(call_default_factory=True)
    }
    return json.dumps({**plain, **same}, sort_keys=True)


@given(fields=FREE)
def test_spelling_does_not_matter(fields: dict[str, Any]) -> None:
    """Order of keys, camelCase, defaults said or not, order in a set, once through the wire."""
    said = Free.model_validate(fields)
    in_full = Free().model_dump(mode="json") | fields
    sets: dict[str, Any] = {name: list(reversed(fields[name])) for name in ("tags", "groups") if name in fields}
    others: list[dict[str, Any]] = [
        turned(fields),
        in_full,
        {to_camel(name): value for name, value in fields.items()},
        {**fields, **sets},
        json.loads(encoded(fields)),
        said.model_dump(mode="json"),
    ]
    assert {fingerprint(Free.model_validate(each)) for each in others} == {fingerprint(said)}


@given(one=FREE, other=FREE)
def test_two_payloads_agree_only_if_they_are_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Any two."""
    first, second = Free.model_validate(one), Free.model_validate(other)
    assert (fingerprint(first) == fingerprint(second)) == (written(first) == written(second))


@given(fields=FREE, other=FREE, data=st.data())
def test_one_changed_field_is_seen(fields: dict[str, Any], other: dict[str, Any], data: st.DataObject) -> None:
    """Two that differ in one place."""
    assume(other)
    name = data.draw(st.sampled_from(sorted(other)))
    first, second = Free.model_validate(fields), Free.model_validate({**fields, name: other[name]})
    assume(written(first) != written(second))
    assert fingerprint(first) != fingerprint(second)


@given(one=GOOD_JSON, other=GOOD_JSON)
def test_free_json_is_told_apart(one: Any, other: Any) -> None:
    """In a field of any JSON: true is not 1, and 1 is not 1.0."""
    prints = [fingerprint(Free(rest={"a": each})) for each in (one, other)]
    spoken = [json.dumps(each, sort_keys=True) for each in (one, other)]
    assert (prints[0] == prints[1]) == (spoken[0] == spoken[1])


def test_equal_sets_agree_in_whatever_order_they_were_filled() -> None:
    """0 and 8 share a place in a small set: which comes first depends on which was put in first."""
    one, other = Free(tags=frozenset([0, 8])), Free(tags=frozenset([8, 0]))
    assert one == other
    assert fingerprint(one) == fingerprint(other)
    nested = [Free.model_validate({"groups": [[8, 0], [16]]}), Free.model_validate({"groups": [[16], [0, 8]]})]
    assert fingerprint(nested[0]) == fingerprint(nested[1])
