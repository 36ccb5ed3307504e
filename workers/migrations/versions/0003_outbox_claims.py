"""The outbox's claims: relays hold rows for a while, and partition keys by their heads."""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Add the columns of a claim, and the indexes by which due rows and heads of keys are found."""
    op.add_column("millrace_outbox", sa.Column("held_by", sa.String(length=200), nullable=True))
    op.add_column("millrace_outbox", sa.Column("held_until", sa.Float(precision=53), nullable=True))
    waiting = sa.text("published_at IS NULL")
    op.create_index(
        "millrace_outbox_due", "millrace_outbox", ["due_at", "id"], sqlite_where=waiting, postgresql_where=waiting
    )
    keyed = sa.text("published_at IS NULL AND partition_key IS NOT NULL")
    op.create_index(
        "millrace_outbox_heads", "millrace_outbox", ["partition_key", "id"], sqlite_where=keyed, postgresql_where=keyed
    )
