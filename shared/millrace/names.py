"""The only place where a name at the broker is spelled: constants and pure functions."""

IN = "in"
EVENTS = "events"
GROUPS = "groups"
DEAD = "dead"
UNROUTED = "unrouted"
PARKED = "parked"
REJECTED = "rejected"
ACCEPTED = "accepted"
#: The queue of forwarded event types, on their way to their topics; each function has a queue of its own.
OUTWARD = "outward"
#: On what came in by the AWS door: functions have had it from its topic, so it does not go out to them again.
DOOR_HEADER = "x-millrace-door"
#: A routing key of `dead` that is bound to nothing: what is sent with it comes back, if the broker takes anything.
PROBE = "probe"

#: Celery's own exchanges; the workers' broker users may not declare them.
PIDBOX = "celery.pidbox"
PIDBOX_REPLY = "reply.celery.pidbox"
CELERY_EVENTS = "celeryev"

#: Celery's native delayed delivery (kombu.transport.native_delayed_delivery): level n waits 2^n seconds.
DELAY_LEVELS = 28
DELAY_ENTRY = f"celery_delayed_{DELAY_LEVELS - 1}"
DELAY_EXIT = "celery_delayed_delivery"
#: Our own way into the levels: straight to the one that holds the message first, not through all above it.
DELAY = "delay"


def vhost(stack: str) -> str:
    """The vhost of one stack."""
    return f"millrace-{stack}"


def group_queue(group: str) -> str:
    """The queue that a group consumes."""
    return group


def dead_queue(group: str) -> str:
    """The queue through which a group's dead letters pass."""
    return f"dead.{group}"


def group_key(group: str) -> str:
    """The routing key that reaches this group only, on `groups` and at the end of a delay."""
    return f"group.{group}"


def delay_level(level: int) -> str:
    """The exchange and the queue of one delay level."""
    return f"celery_delayed_{level}"


def delayed_key(seconds: int, key: str) -> str:
    """The routing key that makes DELAY (and DELAY_ENTRY) hold a message for whole seconds and then route it by `key`.

    The format is kombu's calculate_routing_key; raises ValueError unless 1 <= seconds < 2^28.
    """
    if not 1 <= seconds < 2**DELAY_LEVELS:
        raise ValueError(f"seconds must be 1 to 2^{DELAY_LEVELS} - 1, got {seconds!r}")
    return ".".join(f"{seconds:0{DELAY_LEVELS}b}") + f".{key}"


def stamp(group: str, what: str, digest: str) -> str:
    """The exchange whose existence says that `up` made this part of a group's topology."""
    return f"stamp.{group}.{what}.{digest}"


def dead_policy(group: str) -> str:
    """The policy of a group's dead-letter queue."""
    return dead_queue(group)


def group_user(vhost: str, group: str) -> str:
    """The broker user of a group's workers; users are global to a broker, so they bear the vhost's name."""
    return f"{vhost}.group.{group}"


def service_user(vhost: str, service: str) -> str:
    """The broker user of a publishing service."""
    return f"{vhost}.service.{service}"


def own_user(vhost: str, purpose: str) -> str:
    """The broker user of one of Millrace's own processes: relay, keeper, monitor, flower, ingress or egress."""
    return f"{vhost}.{purpose}"


def node_name(group: str, unique: str, host: str) -> str:
    """The name of one Celery worker process: unique, so that two never share a control queue."""
    return f"{group}.{unique}@{host}"


def dataschema(type_: str, version: int) -> str:
    """The CloudEvents `dataschema` of a payload version."""
    return f"urn:millrace:{type_}:{version}"


def task_id(event_id: str, group: str) -> str:
    """The Celery task id of an event inside a group."""
    return f"{event_id}@{group}"
