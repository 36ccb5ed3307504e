"""`python -m workers.migrate`: bring the store's tables up to date."""

import os
import sys
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from workers.database import begin, connect

#: Any number: processes that migrate at the same time wait for each other on it (PostgreSQL).
_LOCK = 7_126_115


class StoreIsNewer(Exception):
    """A later image has migrated the store: this one does not know its revision, and runs with it all the same."""


def migrate(url: str) -> None:
    """Apply every migration that is not applied yet, in one transaction; safe to run at the same time twice.

    Raises StoreIsNewer if a later image has migrated it, SQLAlchemyError and CommandError if it cannot be migrated.
    """
    config = Config()
    config.set_main_option("script_location", str(files("workers") / "migrations").replace("%", "%%"))
    engine = connect(url)
    try:
        with begin(engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            _require_known(connection, ScriptDirectory.from_config(config))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def _require_known(connection: Connection, scripts: ScriptDirectory) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    later = sorted({*MigrationContext.configure(connection).get_current_heads()} - known)
    if later:
        raise StoreIsNewer(f"the store is newer than this image (revision {', '.join(later)}); nothing to do")


def main() -> int:
    """Migrate the store of MILLRACE_DATABASE_URL; 1 and the reason if it cannot be. A newer one is left as it is."""
    url = os.environ.get("MILLRACE_DATABASE_URL")
    if not url:
        print("MILLRACE_DATABASE_URL must be set", file=sys.stderr)
        return 78
    try:
        migrate(url)
    except StoreIsNewer as newer:
        print(newer)  # so an image can be rolled back: a migration suits the release before it as well
    except (SQLAlchemyError, CommandError) as error:
        print(f"the store cannot be migrated: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
