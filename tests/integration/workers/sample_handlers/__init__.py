"""Handlers of the test catalog."""

from sqlalchemy import Column, Float, Integer, MetaData, String, Table

#: Without a unique constraint: one would hide an effect that was done twice.
effects = Table(
    "effects",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("who", String(40)),
    Column("order_id", String(200)),
    Column("attempt", Integer),
    Column("at", Float(53)),
)
