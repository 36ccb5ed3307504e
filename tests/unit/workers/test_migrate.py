"""What a migration says of a store that it does not migrate."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import text

from workers import migrate
from workers.database import begin, connect


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of this release."""
    one = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("MILLRACE_DATABASE_URL", one)
    assert migrate.main() == 0
    return one


def revision(url: str, change_to: str = "") -> str:
    """What the store says of itself."""
    engine = connect(url)
    try:
        with begin(engine) as connection:
            if change_to:
                connection.execute(text("update alembic_version set version_num = :one"), {"one": change_to})
            return str(connection.execute(text("select version_num from alembic_version")).scalar_one())
    finally:
        engine.dispose()


def test_an_image_that_is_rolled_back_leaves_a_newer_store_as_it_is(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    revision(url, change_to="9999")
    assert migrate.main() == 0
    assert "the store is newer than this image (revision 9999); nothing to do" in capsys.readouterr().out
    assert revision(url) == "9999"


def test_what_alembic_refuses_is_told(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del url

    def refuse(*_: object) -> None:
        raise CommandError("multiple heads")

    monkeypatch.setattr(command, "upgrade", refuse)
    assert migrate.main() == 1
    assert capsys.readouterr().err == "the store cannot be migrated: multiple heads\n"


def test_a_store_that_does_not_answer_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILLRACE_DATABASE_URL", f"sqlite:///{tmp_path / 'none' / 'store.db'}")
    assert migrate.main() == 1
    assert "the store cannot be migrated: " in capsys.readouterr().err
