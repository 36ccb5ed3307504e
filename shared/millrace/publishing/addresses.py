"""Several addresses of one broker, separated by `;` as kombu has it: tried in turn."""

from typing import Any

import amqp

from millrace.errors import BrokerUnreachable
from millrace.publishing.connection import broker_options


def addresses(url: str) -> tuple[str, ...]:
    """The URLs of one broker's nodes; raises ValueError unless each is one, for the same user and vhost."""
    each = tuple(part.strip() for part in url.split(";"))
    options = [broker_options(one) for one in each]
    for what in ("userid", "virtual_host"):
        found = sorted({one[what] for one in options})
        if len(found) > 1:
            raise ValueError(f"broker URLs must be for one {what.replace('id', '').replace('_', ' ')}, got {found}")
    return each


def vhost_of(url: str) -> str:
    """The vhost of a broker's URLs; raises ValueError."""
    return str(broker_options(addresses(url)[0])["virtual_host"])


def connect_broker(url: str, **options: Any) -> amqp.Connection:
    """A connection to the first address that takes it; raises BrokerUnreachable if none does."""
    lost: Exception | None = None
    for one in addresses(url):
        connection = amqp.Connection(**broker_options(one), **options)
        try:
            connection.connect()
        except (OSError, amqp.AMQPError) as error:
            lost = error
            connection.collect()
        else:
            return connection
    raise BrokerUnreachable(f"no connection to the broker: {lost}") from lost
