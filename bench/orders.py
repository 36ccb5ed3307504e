"""One of many orders, for all who send them; the peers' environment has no Millrace."""

from typing import Any


def order(number: int, note: int = 0, sent_at: int = 0) -> dict[str, Any]:
    """The fields of an order, with so many bytes of a note and the time of sending (0: nobody wants to know)."""
    customer, cents = f"customer-{number % 1000}", number % 10_000
    return {
        "order_id": f"order-{number}",
        "customer": customer,
        "cents": cents,
        "sent_at": sent_at,
        "note": "n" * note,
    }
