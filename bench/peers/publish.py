"""How peers publish, each by its own API, one process: `python -m bench.peers.publish WAY COUNT`.

Bulk is what an asynchronous API has: so many sends under way at a time, each confirmed.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable

from bench import starting_line
from bench.orders import order

URL = os.environ["BENCH_BROKER_URL"]
QUEUE = os.environ["BENCH_QUEUE"]
UNDER_WAY = 100

Order = dict[str, object]


def celery(count: int) -> None:
    """`apply_async`; with BENCH_CONFIRMS, confirmed."""
    from bench.peers.celery_app import order as task  # noqa: PLC0415 (each process has one of them)

    _one_by_one(count, lambda fields: task.apply_async(kwargs=fields, ignore_result=True))


def dramatiq(count: int) -> None:
    """`send`; with BENCH_CONFIRMS, confirmed."""
    from bench.peers.dramatiq_app import order as actor  # noqa: PLC0415

    _one_by_one(count, lambda fields: actor.send(**fields))


def kombu(count: int) -> None:
    """A producer of kombu's; with BENCH_CONFIRMS, confirmed."""
    from kombu import Connection  # noqa: PLC0415

    options = {"confirm_publish": os.environ.get("BENCH_CONFIRMS") == "1"}
    producer = Connection(URL, transport_options=options).Producer()
    _one_by_one(count, lambda fields: producer.publish(fields, routing_key=QUEUE, delivery_mode=2))


def pika(count: int) -> None:
    """The blocking connection; with BENCH_CONFIRMS, confirmed and mandatory."""
    import pika as library  # noqa: PLC0415

    channel = library.BlockingConnection(library.URLParameters(URL)).channel()
    confirms = os.environ.get("BENCH_CONFIRMS") == "1"
    if confirms:
        channel.confirm_delivery()
    persistent = library.BasicProperties(delivery_mode=2, content_type="application/json")

    def send(fields: Order) -> None:
        channel.basic_publish("", QUEUE, json.dumps(fields).encode(), persistent, mandatory=confirms)

    _one_by_one(count, send)


def py_amqp(count: int) -> None:
    """py-amqp with a hundred messages to each wait for confirms."""
    import amqp  # noqa: PLC0415
    from kombu import Connection  # noqa: PLC0415

    channel = Connection(URL).connect().channel()
    channel.confirm_select()
    state = {"sent": 0, "confirmed": 0}

    def confirmed(tag: int, multiple: bool) -> None:
        state["confirmed"] = tag if multiple else state["confirmed"] + 1

    channel.events["basic_ack"].add(confirmed)

    def send(fields: Order) -> None:
        message = amqp.Message(json.dumps(fields), delivery_mode=2, content_type="application/json")
        channel._basic_publish(message, routing_key=QUEUE, mandatory=True)
        state["sent"] += 1
        while state["sent"] % UNDER_WAY == 0 and state["confirmed"] < state["sent"]:
            channel.connection.drain_events()

    _one_by_one(count, send)


def taskiq(count: int) -> None:
    """`kiq`, in bulk."""
    from bench.peers.taskiq_app import broker  # noqa: PLC0415
    from bench.peers.taskiq_app import order as task  # noqa: PLC0415

    asyncio.run(_in_bulk(count, broker.startup, lambda fields: task.kiq(**fields)))


def faststream(count: int) -> None:
    """`publish`, persistent, in bulk."""
    from bench.peers.faststream_app import broker  # noqa: PLC0415

    def send(fields: Order) -> Awaitable[object]:
        return broker.publish(fields, queue=QUEUE, persist=True, mandatory=True)

    asyncio.run(_in_bulk(count, broker.connect, send))


def aio_pika(count: int) -> None:
    """A channel with confirms, in bulk."""
    import aio_pika as library  # noqa: PLC0415

    exchanges = []

    async def connect() -> None:
        connection = await library.connect(URL)
        exchanges.append((await connection.channel()).default_exchange)

    def send(fields: Order) -> Awaitable[object]:
        body = json.dumps(fields).encode()
        message = library.Message(body, delivery_mode=library.DeliveryMode.PERSISTENT)
        return exchanges[0].publish(message, QUEUE, mandatory=True)

    asyncio.run(_in_bulk(count, connect, send))


def _one_by_one(count: int, send: Callable[[Order], object]) -> None:
    send(order(0))  # connects
    with starting_line.measured():
        for number in range(count):
            send(order(number))


async def _in_bulk(
    count: int, connect: Callable[[], Awaitable[object]], send: Callable[[Order], Awaitable[object]]
) -> None:
    await connect()
    await send(order(0))
    with starting_line.measured():
        for start in range(0, count, UNDER_WAY):
            await asyncio.gather(*(send(order(number)) for number in range(start, min(start + UNDER_WAY, count))))


WAYS = {way.__name__: way for way in (celery, dramatiq, kombu, pika, py_amqp, taskiq, faststream, aio_pika)}

if __name__ == "__main__":
    WAYS[sys.argv[1]](int(sys.argv[2]))
