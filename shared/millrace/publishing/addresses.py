"""Several addresses of one broker, separated by `;` as kombu has it: tried in turn."""

import random
from typing import Any

import amqp

from millrace.errors import BrokerUnreachable
from millrace.publishing.connection import broker_options

#: Which of the addresses this process begins with, as a share of their number.
_BEGIN = random.random()  # noqa: S311 (nothing secret)


def addresses(url: str) -> tuple[str, ...]:
    """The URLs of one broker's nodes; raises ValueError unless each is one, for the same user and vhost."""
    each = tuple(part.strip() for part in url.split(";"))
    options = [broker_options(one) for one in each]
    for what in ("userid", "virtual_host"):
        found = sorted({one[what] for one in options})
        if len(found) > 1:
            raise ValueError(f"broker URLs must be for one {what.replace('id', '').replace('_', ' ')}, got {found}")
    return each


def begin_anywhere(url: str) -> str:
    """The same addresses in turn, beginning with any of them, in one process always with the same.

    So not all crowd on the first node, and a process that is started again because its node gave it nothing is not sent
    there each time.
    """
    each = addresses(url)
    first = int(_BEGIN * len(each))
    return ";".join((*each[first:], *each[:first]))


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
