"""Deferred statements as the driver takes them."""

from typing import Any

import pytest
from sqlalchemy import JSON, Column, Dialect, Integer, MetaData, String, Table, bindparam, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from workers.statements import Deferred, Preparer

TABLE = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(10)),
    Column("more", JSON),
    Column("made", Integer, default=lambda: 1),
)
DIALECTS = [postgresql.psycopg.dialect(), sqlite.dialect()]  # type: ignore[no-untyped-call]
PLAIN = TABLE.delete().where(TABLE.c.id == 1)


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Each of the two."""
    return request.param  # type: ignore[no-any-return]


def values(parameters: Any) -> list[Any]:
    return list(parameters.values()) if isinstance(parameters, dict) else list(parameters)


def test_the_same_structure_has_each_its_own_values(dialect: Dialect) -> None:
    preparer = Preparer(dialect)
    first, second = (preparer.prepare(Deferred(update(TABLE).values(name=name, made=2))) for name in "ab")
    assert first is not None
    assert second is not None
    assert first.text == second.text
    assert (values(first.parameters), values(second.parameters)) == (["a", 2], ["b", 2])


def test_parameters_may_be_given(dialect: Dialect) -> None:
    preparer = Preparer(dialect)
    adding = insert(TABLE).values(made=7)
    ready = [preparer.prepare(Deferred(adding, {"name": name, "id": number})) for number, name in enumerate("ab")]
    assert ready[0] is not None
    assert ready[1] is not None
    assert "RETURNING" not in ready[0].text
    assert sorted(values(ready[1].parameters), key=str) == [1, 7, "b"]
    other = preparer.prepare(Deferred(adding, {"name": "c"}))
    assert other is not None
    assert other.text != ready[0].text


def test_values_are_converted_as_their_type_asks(dialect: Dialect) -> None:
    ready = Preparer(dialect).prepare(Deferred(insert(TABLE).values(id=1, made=1, more={"a": 1})))
    assert ready is not None
    assert {"a": 1} not in values(ready.parameters)


def test_text_with_parameters(dialect: Dialect) -> None:
    ready = Preparer(dialect).prepare(Deferred(text("delete from things where name = :name"), {"name": "x"}))
    assert ready is not None
    assert values(ready.parameters) == ["x"]


@pytest.mark.parametrize(
    "deferred",
    [
        Deferred(PLAIN, rows=1),
        Deferred(insert(TABLE).values(name="a")),
        Deferred(insert(TABLE), {"name": "a"}),
        Deferred(PLAIN.where(TABLE.c.name.in_(["a", "b"]))),
        Deferred(select(TABLE).where(TABLE.c.name.in_(bindparam("names", expanding=True))), {"names": ["a"]}),
    ],
    ids=["rows", "default", "default with parameters", "in", "expanding"],
)
def test_what_is_more_than_text_and_values_is_left_to_sqlalchemy(dialect: Dialect, deferred: Deferred) -> None:
    assert Preparer(dialect).prepare(deferred) is None


def test_a_missing_parameter_is_an_error(dialect: Dialect) -> None:
    with pytest.raises(Exception, match="name"):
        Preparer(dialect).prepare(Deferred(text("delete from things where name = :name"), {}))
