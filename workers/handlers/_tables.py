"""The tables of the sample's own business, made by the migrations."""

from sqlalchemy import Column, Float, Integer, MetaData, String, Table

metadata = MetaData()

#: An account belongs to the sign-up that made it; the same person may sign up at two sources.
accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("account_id", String(64), nullable=False),
    Column("user_id", String(200), nullable=False),
    Column("email", String(200)),
    Column("source", String(300), nullable=False),
    Column("event_id", String(200), nullable=False),
    Column("created_at", Float(53), nullable=False),
)

sign_ups_per_minute = Table(
    "sign_ups_per_minute",
    metadata,
    Column("minute", String(16), primary_key=True),
    Column("sign_ups", Integer, nullable=False),
)

#: Where an onboarding stands: what has arrived, and how many of its steps are done.
onboardings = Table(
    "onboardings",
    metadata,
    Column("account_id", String(64), primary_key=True),
    Column("account_created", Integer, nullable=False),
    Column("welcome_email_sent", Integer, nullable=False),
    Column("steps_done", Integer, nullable=False),
    Column("completed_at", Float(53)),
)

onboarding_steps = Table(
    "onboarding_steps",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("account_id", String(64), nullable=False),
    Column("step", String(40), nullable=False),
    Column("done_at", Float(53), nullable=False),
)
