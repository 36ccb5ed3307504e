"""The shared fixtures do what they promise."""

from __future__ import annotations

from sqlalchemy import create_engine, inspect, text


def test_each_database_is_fresh_and_usable(database_url: str) -> None:
    engine = create_engine(database_url)
    try:
        with engine.begin() as connection:
            assert inspect(connection).get_table_names() == []
            connection.execute(text("CREATE TABLE t (n INTEGER)"))
    finally:
        engine.dispose()
