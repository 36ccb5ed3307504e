"""What retention and reconciliation go by: indexes by time, and tables of what was removed and who owes what."""

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"

_NOW = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch from clock_timestamp())::double precision",
}


def upgrade() -> None:
    """Make indexes and tables."""
    op.drop_index("millrace_inbox_state", "millrace_inbox")
    op.create_index("millrace_inbox_state", "millrace_inbox", ["group_name", "state", "updated_at"])
    closed = sa.text("closed_at IS NOT NULL")
    op.create_index(
        "millrace_letters_closed", "millrace_letters", ["closed_at"], sqlite_where=closed, postgresql_where=closed
    )
    if op.get_bind().dialect.name == "postgresql":
        _partition_accepted()
    op.create_index("millrace_accepted_time", "millrace_accepted", ["accepted_at"])
    op.create_table(
        "millrace_retention",
        sa.Column("what", sa.String(length=80), nullable=False),
        sa.Column("removed_before", sa.Float(precision=53), nullable=False),
        sa.Column("succeeded_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("what"),
    )
    op.create_table(
        "millrace_clearances",
        sa.Column("group_name", sa.String(length=64), nullable=False),
        sa.Column("clear_before", sa.Float(precision=53), nullable=True),
        sa.Column("next_clear_before", sa.Float(precision=53), nullable=False),
        sa.Column("next_seen_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("group_name"),
    )
    op.create_table(
        "millrace_addressed",
        sa.Column("group_name", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=200), nullable=False),
        sa.Column("since", sa.Float(precision=53), nullable=False),
        sa.Column("seen_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("group_name", "type"),
    )
    now = _NOW[op.get_bind().dialect.name]
    for what in ("accepted", "outbox", "letters", "inbox"):  # an alert is due a day from now if nothing is removed
        op.execute(sa.text(f"INSERT INTO millrace_retention VALUES ('{what}', 0, {now})"))  # noqa: S608
    op.execute(
        sa.text(
            "INSERT INTO millrace_addressed (group_name, type, since, seen_at)"  # noqa: S608
            f" SELECT group_name, type, min(first_seen_at), {now} FROM millrace_inbox GROUP BY group_name, type"
        )
    )


def _partition_accepted() -> None:
    """By time, so that the retention drops what is old; weeks are made ahead, the rest is in the default partition."""
    op.rename_table("millrace_accepted", "millrace_accepted_before")
    op.drop_index("millrace_accepted_event", "millrace_accepted_before")
    op.create_table(
        "millrace_accepted",
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("type", sa.String(length=200), nullable=False),
        sa.Column("accepted_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("source", "event_id", "accepted_at", name="millrace_accepted_key"),
        postgresql_partition_by="RANGE (accepted_at)",
    )
    op.execute("CREATE TABLE millrace_accepted_default PARTITION OF millrace_accepted DEFAULT")
    op.execute(
        "INSERT INTO millrace_accepted (source, event_id, type, accepted_at)"
        " SELECT source, event_id, type, accepted_at FROM millrace_accepted_before"
    )
    op.drop_table("millrace_accepted_before")
    op.create_index("millrace_accepted_event", "millrace_accepted", ["event_id"])
