"""What must exist at the broker, as plain data, from pure functions over the catalog."""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from millrace import names
from millrace.broker_parts import Binding, Exchange, Policy, Queue, TopicPermission, Topology, User
from millrace.declarations import Catalog, LambdaGroup, Service, WorkerGroup
from millrace.derived import BROKER_PATIENCE_SECONDS, timing
from millrace.functions import Function

#: The log of accepted events is kept this long (design: 30 days).
ACCEPTED_MAX_AGE = "30D"
#: Only the last net: attempts are counted in the inbox, and giving back a prefetch counts here too.
DELIVERY_LIMIT = 1_000
#: The keeper gives back what it cannot store yet; nothing may be lost by that.
TRANSIT_DELIVERY_LIMIT = 1_000_000_000


def topology(catalog: Catalog, vhost: str) -> Topology:
    """Everything of one stack."""
    whole = backbone(catalog, vhost) + delays() + aws_door(catalog, vhost)
    for group in catalog.groups:
        whole += group_topology(catalog, group, vhost) + stamps(catalog, group)
    return whole + Topology(users=tuple(service_user(service, vhost) for service in catalog.services))


def backbone(catalog: Catalog, vhost: str) -> Topology:
    """What is there once per stack: doors, the log, parking, Celery's exchanges, Millrace's own users."""
    exchanges = [
        Exchange(name=name) for name in (names.IN, names.EVENTS, names.GROUPS, names.DEAD, names.CELERY_EVENTS)
    ]
    exchanges += [Exchange(name=name, kind="fanout") for name in (names.UNROUTED, names.REJECTED, names.PIDBOX)]
    exchanges.append(Exchange(name=names.PIDBOX_REPLY, kind="direct"))
    transit = {"delivery-limit": TRANSIT_DELIVERY_LIMIT}
    return Topology(
        exchanges=tuple(exchanges),
        queues=(Queue(name=names.PARKED), Queue(name=names.REJECTED), Queue(name=names.ACCEPTED, kind="stream")),
        bindings=(
            Binding(source=names.IN, destination=names.EVENTS, key="#", to_exchange=True),
            Binding(source=names.IN, destination=names.ACCEPTED, key="#"),
            Binding(source=names.UNROUTED, destination=names.PARKED, key=""),
            Binding(source=names.REJECTED, destination=names.REJECTED, key=""),
        ),
        policies=(
            Policy(name=names.ACCEPTED, target=names.ACCEPTED, definition={"max-age": ACCEPTED_MAX_AGE}),
            Policy(name=names.PARKED, target=names.PARKED, definition=transit),
            Policy(name=names.REJECTED, target=names.REJECTED, definition=transit),
            _alternate(names.EVENTS),
            _alternate(names.DELAY_EXIT),
        ),
        users=tuple(own_users(catalog, vhost)),
    )


def _alternate(exchange: str) -> Policy:
    definition = {"alternate-exchange": names.UNROUTED}
    return Policy(name=f"{exchange}-unrouted", target=exchange, definition=definition, apply_to="exchanges")


def delays() -> Topology:
    """Celery's delay levels, with just the arguments that kombu gives them (its declare function would agree).

    `delay` leads to the level of the highest bit at once: through the exchanges of all levels above it, a message costs
    the broker milliseconds (decision 0413).
    """
    levels = range(names.DELAY_LEVELS - 1, -1, -1)
    exchanges = [Exchange(name=names.delay_level(level)) for level in levels]
    exchanges += [Exchange(name=names.DELAY_EXIT), Exchange(name=names.DELAY)]
    queues, bindings = [], []
    for level in levels:
        here = names.delay_level(level)
        after = names.delay_level(level - 1) if level else names.DELAY_EXIT
        above = names.DELAY_LEVELS - 1 - level
        skipped = "*." * above
        arguments: dict[str, str | int] = {
            "x-overflow": "reject-publish",
            "x-message-ttl": 2**level * 1000,
            "x-dead-letter-exchange": after,
            "x-dead-letter-strategy": "at-least-once",
        }
        queues.append(Queue(name=here, arguments=arguments))
        bindings.append(Binding(source=names.DELAY, destination=here, key=f"{'0.' * above}1.#"))
        bindings.append(Binding(source=here, destination=here, key=f"{skipped}1.#"))
        bindings.append(Binding(source=here, destination=after, key=f"{skipped}0.#", to_exchange=True))
    return Topology(exchanges=tuple(exchanges), queues=tuple(queues), bindings=tuple(bindings))


def aws_door(catalog: Catalog, vhost: str) -> Topology:
    """What the AWS door needs at the broker: nothing where the catalog has nothing at AWS.

    That is the queue of what is forwarded (it leaves from `in`: to `events`, what no group takes is still to be
    parked), for each function a queue of what is for it and one of its dead letters, and two users.
    The ingress learns by a probe whether the broker takes anything; the egress rejects what never can go out.
    """
    if not catalog.uses_aws:
        return Topology()
    forwarded = [key for event in catalog.events if event.forwarded for key in (event.type, *event.aliases)]
    outward = Topology(
        queues=(Queue(name=names.OUTWARD),),
        bindings=tuple(Binding(source=names.IN, destination=names.OUTWARD, key=key) for key in forwarded),
        policies=(_transit(names.OUTWARD),),
        users=tuple(_door_users(catalog, vhost)),
    )
    return sum((_function_topology(catalog, function) for function in catalog.functions), outward)


def _function_topology(catalog: Catalog, function: Function) -> Topology:
    """A function's queue, and the one of its dead letters; it has what is forwarded from its topic.

    A group gets public events whoever published them; a plain function only what is published to its topic.
    """
    queue, dead, key = names.group_queue(function.name), names.dead_queue(function.name), names.group_key(function.name)
    handled = function.handles if isinstance(function, LambdaGroup) else ()
    public = [event for payload in handled if (event := catalog.event(payload.event_type)).public]
    bindings = [
        Binding(source=names.EVENTS, destination=queue, key=name)
        for event in public
        for name in (event.type, *event.aliases)
    ]
    bindings.append(Binding(source=names.GROUPS, destination=queue, key=key))
    bindings.append(Binding(source=names.DEAD, destination=dead, key=key))
    return Topology(
        queues=(Queue(name=queue), Queue(name=dead)),
        bindings=tuple(bindings),
        policies=(_transit(queue), _transit(dead)),
    )


def _transit(queue: str) -> Policy:
    return Policy(name=queue, target=queue, definition={"delivery-limit": TRANSIT_DELIVERY_LIMIT})


def _door_users(catalog: Catalog, vhost: str) -> Iterator[User]:
    """The ingress sends events, rejects and dead letters of functions; the egress takes what goes out."""
    own_keys = [re.escape(names.group_key(function.name)) for function in catalog.functions]
    yield User(
        name=names.own_user(vhost, "ingress"),
        write=f"^({names.IN}|{names.REJECTED}|{names.DEAD})$",
        topics=(TopicPermission(exchange=names.DEAD, write=f"^({'|'.join((*own_keys, names.PROBE))})$"),),
    )
    queues = [re.escape(names.group_queue(function.name)) for function in catalog.functions]
    read = f"^({'|'.join((names.OUTWARD, *queues))})$"
    yield User(name=names.own_user(vhost, "egress"), read=read, write=f"^{names.REJECTED}$")


def group_topology(catalog: Catalog, group: WorkerGroup, vhost: str) -> Topology:
    """A group's queue, dead-letter queue, bindings, policies and broker user."""
    queue, dead, key = names.group_queue(group.name), names.dead_queue(group.name), names.group_key(group.name)
    bindings = [
        Binding(source=names.GROUPS, destination=queue, key=key),
        Binding(source=names.DELAY_EXIT, destination=queue, key=f"#.{key}"),
        Binding(source=names.DEAD, destination=dead, key=key),
    ]
    for routed in routing_keys(catalog, group):
        bindings.append(Binding(source=names.EVENTS, destination=queue, key=routed))
        bindings.append(Binding(source=names.DELAY_EXIT, destination=queue, key=f"#.{routed}"))
    return Topology(
        queues=(Queue(name=queue), Queue(name=dead)),
        bindings=tuple(bindings),
        policies=(
            Policy(name=queue, target=queue, definition=group_policy(group)),
            Policy(
                name=names.dead_policy(group.name), target=dead, definition={"delivery-limit": TRANSIT_DELIVERY_LIMIT}
            ),
        ),
        users=(group_user(group, vhost),),
    )


def routing_keys(catalog: Catalog, group: WorkerGroup) -> list[str]:
    """The event types and aliases that reach a group through `events`."""
    return [
        key for payload in group.handles for key in (payload.event_type, *catalog.event(payload.event_type).aliases)
    ]


def group_policy(group: WorkerGroup) -> dict[str, str | int]:
    """The policy of a group's queue: at-least-once dead-lettering needs reject-publish (RabbitMQ, quorum queues).

    A group that may hold an event for longer than the broker's own patience needs RabbitMQ 3.12, which knows the key
    `consumer-timeout` (milliseconds); an older one refuses the policy, as it could not keep the promise.
    """
    limits = timing(group)
    longer = limits.cool_down > BROKER_PATIENCE_SECONDS
    patience: dict[str, str | int] = {"consumer-timeout": round(limits.consumer_timeout * 1000)} if longer else {}
    return {
        **patience,
        "dead-letter-exchange": names.DEAD,
        "dead-letter-routing-key": names.group_key(group.name),
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
        "delivery-limit": DELIVERY_LIMIT,
    }


def group_user(group: WorkerGroup, vhost: str) -> User:
    """A group's workers: read their queue, delay to themselves, write their own dead letters, be seen by Flower.

    RabbitMQ 4.3 shows a queue or an exchange only to who has any permission on it: hence read on the group's stamps.
    """
    node = rf"{re.escape(group.name)}\.[0-9a-f]+@[^/]+\.celery\.pidbox"
    own_key = re.escape(names.group_key(group.name))
    stamped = rf"stamp\.{re.escape(group.name)}\.[a-z]+\.[0-9a-f]+"
    return User(
        name=names.group_user(vhost, group.name),
        configure=rf"^{node}$",
        write=rf"^({node}|celeryev|reply\.celery\.pidbox|dead|{names.DELAY})$",
        read=rf"^({re.escape(names.group_queue(group.name))}|celery\.pidbox|{node}|{stamped})$",
        topics=(
            TopicPermission(exchange=names.DEAD, write=f"^{own_key}$"),
            TopicPermission(exchange=names.DELAY, write=rf"^([01]\.){{{names.DELAY_LEVELS}}}{own_key}$"),
        ),
    )


def service_user(service: Service, vhost: str) -> User:
    """A publishing service: writes to `in`; with `celery`, also to a group's own key and to the delays."""
    write = rf"^(in|groups|{names.DELAY}|{names.DELAY_ENTRY})$" if service.celery else "^in$"
    return User(name=names.service_user(vhost, service.name), write=write)


def own_users(catalog: Catalog, vhost: str) -> Iterator[User]:
    """Millrace's own processes, each with what it needs and no more.

    The keeper looks how much waits in the groups' queues. RabbitMQ 4.3 wants a permission for that: of the three, write
    is the one by which no event can be taken from them.
    """
    yield User(name=names.own_user(vhost, "relay"), write="^(in|events|groups|dead)$")
    transit = rf"^(dead\..+|{names.PARKED}|{names.REJECTED}|{names.ACCEPTED})$"
    queues = "|".join(re.escape(names.group_queue(group.name)) for group in catalog.groups)
    yield User(name=names.own_user(vhost, "keeper"), read=transit, write=f"^({queues})$" if queues else "^$")
    yield User(name=names.own_user(vhost, "monitor"), tags=("monitoring",))
    replies = r".*\.reply\.celery\.pidbox|celeryev\..*"
    yield User(
        name=names.own_user(vhost, "flower"),
        configure=f"^({replies})$",
        write=rf"^(celery\.pidbox|{replies})$",
        read=rf"^(reply\.celery\.pidbox|celeryev|{replies})$",
    )


def stamps(catalog: Catalog, group: WorkerGroup) -> Topology:
    """One exchange per part of a group that its workers rely on; they look for them at start (design, decision 1).

    A stamp's name holds a digest of the part, so a newer topology that only adds parts keeps older workers content.
    """
    parts: list[tuple[str, Any]] = [("queue", "quorum"), ("policy", group_policy(group))]
    parts += [("key", key) for key in (*routing_keys(catalog, group), names.group_key(group.name))]
    exchanges = [Exchange(name=names.stamp(group.name, what, _digest(part)), kind="fanout") for what, part in parts]
    return Topology(exchanges=tuple(exchanges))


def _digest(part: object) -> str:
    return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:12]
