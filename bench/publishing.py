"""How fast one process publishes to a quorum queue, persistent, and what it costs whom."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from millrace import names

from bench.contenders import PEER_PYTHON, QUEUE, dramatiq
from bench.crew import Crew
from bench.servers import Servers
from bench.spread import Figures

UNREAD = "unread"


@dataclass(frozen=True, kw_only=True)
class PublishingWay:
    """One way to publish: the arguments of its module, and how many a round takes."""

    name: str
    way: str
    events: int
    confirms: bool = True
    ours: bool = False


def publish(servers: Servers, way: PublishingWay) -> Figures:
    """Publish, and give the rate and CPU microseconds per event."""
    vhost = servers.stack.vhost if way.ours else servers.peers
    queue = names.group_queue(UNREAD) if way.ours else QUEUE
    with servers.channel(vhost) as channel:
        if not way.ours:
            # what dramatiq declares itself has to be the same; the others do not mind
            arguments = {**(dramatiq("", "", 0).arguments if way.way == "dramatiq" else {}), "x-queue-type": "quorum"}
            channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
        try:
            return _race(servers, way, servers.broker.amqp_url(vhost))
        finally:
            if way.ours:
                channel.queue_purge(queue)
            else:
                channel.queue_delete(queue)


def _race(servers: Servers, way: PublishingWay, url: str) -> Figures:
    module: Sequence[str] = (
        (sys.executable, "-m", "bench.publishers") if way.ours else (PEER_PYTHON, "-m", "bench.peers.publish")
    )
    told = {"BENCH_BROKER_URL": url, "BENCH_QUEUE": QUEUE, "BENCH_CONFIRMS": "1" if way.confirms else ""}
    command = (*module, way.way, str(way.events))
    with Crew([command], told, servers.directory / "crew.log", talks=True) as crew:
        crew.hear()
        before = crew.cpu()
        crew.tell()
        seconds = json.loads(crew.hear())["seconds"]
        after = crew.cpu()
        crew.tell()
        spent = {f"{who}_us": (after[who] - before[who]) / way.events * 1e6 for who in ("client", "broker")}
        return {"per_second": way.events / seconds, **spent}
