"""A process that forks between two transactions: the child harms neither the parent's connections nor the locks."""

import os
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from tests.postgres_server import fresh_database
from workers.database import begin, connect


def test_children_close_their_copy_of_a_connection(postgres_url: str) -> None:
    """Else the server would not notice that the parent is gone, and keep its locks."""
    with fresh_database(postgres_url) as url:
        engine = connect(url, forks=True)
        with begin(engine) as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            number = driver.fileno()
        child = os.fork()
        if not child:
            os._exit(_is_open(number))
        assert os.waitpid(child, 0)[1] == 0
        assert _is_open(number)
        with begin(engine) as connection:
            assert connection.execute(text("select 1")).scalar_one() == 1
        engine.dispose()


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("forks", [True, False])
def test_no_file_is_open_between_two_transactions(tmp_path: Path, forks: bool) -> None:
    """SQLite's locks are lost in a child, which would not know."""
    engine = connect(f"sqlite:///{tmp_path / 'one.db'}", forks=forks)
    with begin(engine) as connection:
        connection.execute(text("create table things (name text)"))
    open_files = [file.path for file in psutil.Process().open_files() if file.path.startswith(str(tmp_path))]
    assert bool(open_files) != forks
    engine.dispose()
