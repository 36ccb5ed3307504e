"""`python -m workers.migrate`: bring the store's tables up to date."""

import os
import sys
from importlib.resources import files

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from workers.database import begin, connect

#: Any number: processes that migrate at the same time wait for each other on it (PostgreSQL).
_LOCK = 7_126_115


def migrate(url: str) -> None:
    """Apply every migration that is not applied yet, in one transaction; safe to run at the same time twice."""
    config = Config()
    config.set_main_option("script_location", str(files("workers") / "migrations").replace("%", "%%"))
    engine = connect(url)
    with begin(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def main() -> int:
    """Migrate the store of MILLRACE_DATABASE_URL; 1 and the reason if it cannot be."""
    url = os.environ.get("MILLRACE_DATABASE_URL")
    if not url:
        print("MILLRACE_DATABASE_URL must be set", file=sys.stderr)
        return 78
    try:
        migrate(url)
    except SQLAlchemyError as error:
        print(f"the store cannot be migrated: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
