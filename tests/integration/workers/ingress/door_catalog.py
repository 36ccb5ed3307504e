"""The sample catalog with a door at AWS: public types, one that is forwarded, a function."""

from typing import ClassVar

from millrace.declarations import Catalog, Event, LambdaGroup, Payload, Service, Topic, WorkerGroup

from tests.integration.workers.sample_catalog import CATALOG as SAMPLE
from tests.integration.workers.sample_catalog import OrderPlaced, OrderShipped


class OrderPaid(Payload):
    """Public, too; no group takes it."""

    event_type: ClassVar[str] = "order.paid"
    order_id: str


class OrderClosed(Payload):
    """What goes out to others."""

    event_type: ClassVar[str] = "order.closed"
    order_id: str
    note: str = ""


CATALOG = Catalog(
    events=[
        Event(OrderPlaced, aliases=["ORDER"], public=Topic("Orders")),
        Event(OrderShipped),
        Event(OrderPaid, public=Topic()),
        Event(OrderClosed, aliases=["CLOSED"], forwarded=Topic("Closed")),
    ],
    groups=[group for group in SAMPLE.groups if isinstance(group, WorkerGroup) and group.name == "ledger"],
    services=[Service("web"), Service("office", celery=True)],
    functions=[LambdaGroup("audit", handles=[OrderPlaced]), LambdaGroup("closing", handles=[OrderClosed])],
)
