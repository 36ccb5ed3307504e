"""Millrace's publishers, as a service calls them: `python -m bench.publishers publish|publish_many COUNT`."""

import os
import sys

from millrace.publishing import Publisher

from bench import starting_line
from bench.catalog import CATALOG, OrderFiled
from bench.orders import order


def main(way: str, count: int) -> None:
    """Connect, then send at the word; each event is validated, confirmed and mandatory."""
    events = [OrderFiled(**order(number)) for number in range(count)]
    with Publisher(os.environ["BENCH_BROKER_URL"], source="/bench", catalog=CATALOG) as publisher:
        publisher.publish(events[0])
        with starting_line.measured():
            if way == "publish_many":
                publisher.publish_many(events)
            else:
                for event in events:
                    publisher.publish(event)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
