"""At start a worker checks its own group's topology, and only that (design, decision 1)."""

import contextlib

import amqp
import structlog
from millrace.broker_parts import Topology
from millrace.publishing.addresses import connect_broker
from millrace.topology import group_topology, stamps

from workers.runtime import Runtime
from workers.topology_check import BrokerUnreadable, broker_state, settled

log = structlog.get_logger("millrace.agreement")


class Disagreement(Exception):
    """The broker does not have what the group's catalog entry asks for."""


def require_agreement(runtime: Runtime) -> None:
    """Raise Disagreement that names each difference between the broker and the catalog for this group.

    Stamps say what `up` made; where a monitoring user is configured, the real arguments are compared too, unless the
    management API is out: workers must come back without it.
    """
    missing = missing_stamps(runtime.settings.broker_url, stamps(runtime.catalog, runtime.group))
    if missing:
        raise Disagreement(f"topology is missing or of another catalog: {', '.join(missing)}; run `millrace up`")
    url = runtime.settings.monitoring_url
    if url is None:
        return
    vhost = runtime.settings.vhost
    own = group_topology(runtime.catalog, runtime.group, vhost)
    wanted = Topology(queues=own.queues, bindings=own.bindings, policies=own.policies)
    try:
        found, _ = settled(wanted, lambda: broker_state(url, vhost))
    except BrokerUnreadable as error:
        log.warning("the stamps agree, and the arguments were not compared", error=str(error))
        return
    if found:
        raise Disagreement("; ".join(found) + "; see `millrace verify`")


def missing_stamps(broker_url: str, wanted: Topology) -> list[str]:
    """The stamps that are not at the broker, by asking for each passively; raises Disagreement if it may not ask."""
    connection = connect_broker(broker_url, connect_timeout=10, read_timeout=10)
    missing = []
    with contextlib.closing(connection):
        channel = connection.channel()
        for exchange in wanted.exchanges:
            try:
                channel.exchange_declare(exchange.name, exchange.kind, passive=True)
            except amqp.exceptions.NotFound:
                missing.append(exchange.name)
                channel = connection.channel()
            except amqp.exceptions.AccessRefused as error:
                raise Disagreement(f"its user must be let see stamps: {error}; run `millrace up`") from None
    return missing
