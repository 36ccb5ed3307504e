"""Handlers of the benchmarks."""

from sqlalchemy import BigInteger, Column, Identity, Integer, MetaData, String, Table, insert

orders = Table(
    "bench_orders",
    MetaData(),
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("order_id", String(40)),
    Column("customer", String(40)),
    Column("cents", Integer),
)
ORDER = insert(orders)
