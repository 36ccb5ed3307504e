"""The tables of the sample's business: accounts, counts, onboardings."""

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=200), nullable=True),
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "onboarding_steps",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("done_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "onboardings",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("account_created", sa.Integer(), nullable=False),
        sa.Column("welcome_email_sent", sa.Integer(), nullable=False),
        sa.Column("steps_done", sa.Integer(), nullable=False),
        sa.Column("completed_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("account_id"),
    )
    op.create_table(
        "sign_ups_per_minute",
        sa.Column("minute", sa.String(length=16), nullable=False),
        sa.Column("sign_ups", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("minute"),
    )
