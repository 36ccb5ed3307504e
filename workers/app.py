"""The Celery app: base settings, routes from the catalog, and what Celery's own senders need."""

import os
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from celery.events import event as celery_event
from celery.worker.control import Panel
from kombu import Exchange, Queue
from millrace import names
from millrace.declarations import Catalog, Payload
from millrace.derived import HEARTBEAT_SECONDS, SEND_SECONDS, prefetch_multiplier

from workers.celery_events import SERIALIZER, register_serializer
from workers.guard import refuse_compression
from workers.lane.step import Lane
from workers.memory import child_limit
from workers.runtime import Runtime
from workers.settings import Settings, from_environment
from workers.tasks import register
from workers.undecodable import keep_undecodable

#: Remote control that only looks; everything else is dropped (design, decision 16).
HARMLESS_COMMANDS = frozenset(
    {"active", "active_queues", "clock", "conf", "heartbeat", "hello", "ping", "query_task", "registered", "report"}
    | {"reserved", "revoked", "scheduled", "stats"}
)

BASE = {
    "accept_content": ["json"],
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_heartbeat": HEARTBEAT_SECONDS,
    "broker_pool_limit": 2,
    "broker_transport_options": {"confirm_publish": True, "confirm_timeout": 10, "max_retries": 3},
    "control_queue_exclusive": True,
    "event_queue_exclusive": True,
    "event_serializer": "json",
    "result_backend": None,
    "task_acks_late": True,
    "task_acks_on_failure_or_timeout": False,
    "task_create_missing_queues": False,
    "task_ignore_result": True,
    "task_reject_on_worker_lost": True,
    "task_send_sent_event": False,
    "task_serializer": "json",
    "task_store_errors_even_if_ignored": False,
    "timezone": "UTC",
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_detect_quorum_queues": True,
    "worker_enable_prefetch_count_reduction": False,
    "worker_enable_remote_control": True,
    "worker_hijack_root_logger": False,
    "worker_log_color": False,
    "worker_prefetch_multiplier": 1,
    "worker_send_task_events": True,
}


class EventCelery(Celery):  # type: ignore[misc]
    """A Celery app whose messages go by the catalog: an event to all its groups, a task to its own group."""

    catalog: Catalog
    amqp_cls = "workers.reconnecting:ReconnectingAMQP"
    control_cls = "workers.remote_control:UndeclaredControl"

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send Celery's own message for an event type; raises InvalidEvent if there is no such event.

        `countdown` (seconds) and `eta` wait in the broker, whole seconds; the broker's answer is awaited and an
        unroutable message is an error.
        """
        exchange, key = route(self.catalog, name)
        exchange, key = options.pop("exchange", exchange), options.pop("routing_key", key)
        seconds = _wait_seconds(options.pop("countdown", None), options.pop("eta", None))
        if seconds >= 1:
            exchange, key = names.DELAY, names.delayed_key(round(seconds), key)
        options["queue"] = undeclared_queue(names.IN, exchange, key)
        options.setdefault("mandatory", True)
        options.setdefault("user_id", self.connection_for_write().userid)
        return super().send_task(name, args, kwargs, **options)


def _wait_seconds(countdown: float | None, eta: datetime | None) -> float:
    if eta is not None:
        return (eta - datetime.now(UTC)).total_seconds()
    return countdown or 0.0


def undeclared_queue(name: str, exchange: str, routing_key: str, *, held: float | None = None) -> Queue:
    """A queue, as Celery wants one, that is never declared; `held` is how long its consumer may hold a message.

    RabbitMQ heeds that from 4.3 on (`x-consumer-timeout`, milliseconds); before, what its queue's policy says.
    """
    topic = Exchange(exchange, "topic", no_declare=True)
    quorum = {"x-queue-type": "quorum"}
    consuming = {} if held is None else {"x-consumer-timeout": round(held * 1000)}
    return Queue(
        name, topic, routing_key=routing_key, queue_arguments=quorum, consumer_arguments=consuming, no_declare=True
    )


def route(catalog: Catalog, type_: str) -> tuple[str, str]:
    """Exchange and routing key of an event type or of a group's own task; raises UnknownEventType."""
    owner = catalog.task_owner(type_)
    if owner is not None:
        return names.GROUPS, names.group_key(owner.name)
    return names.IN, catalog.event(type_).type


def make_app(broker_url: str, catalog: Catalog) -> EventCelery:
    """An app that can send, inspect and watch; it declares nothing at the broker."""
    app = EventCelery("millrace", broker=broker_url, set_as_current=True)
    app.catalog = catalog
    app.conf.update(BASE)
    declare_nothing(app)
    return app


def declare_nothing(app: Celery) -> None:
    """Only Pulumi declares exchanges; the workers' broker users could not (design, decision 1)."""
    mailbox = app.control.mailbox
    for exchange in (mailbox.exchange, mailbox.reply_exchange, celery_event.event_exchange):
        exchange.no_declare = True


def make_worker_app(runtime: Runtime) -> EventCelery:
    """The app of a group's workers: its queue, a task per event type, the guard."""

    app = make_app(runtime.settings.broker_url, runtime.catalog)
    group = runtime.group.name
    held = runtime.timing.consumer_timeout
    queue = undeclared_queue(names.group_queue(group), names.GROUPS, names.group_key(group), held=held)
    app.conf.update(
        millrace_runtime=runtime,
        # No confirms for Celery's own events: under a broker alarm the worker's loop would wait for them, and nothing
        # be consumed that could end the alarm. What matters is sent by millrace's Sender.
        broker_transport_options={"write_timeout": SEND_SECONDS},
        event_serializer=SERIALIZER,
        task_queues=[queue],
        task_default_queue=queue.name,
        task_time_limit=runtime.timing.hard_limit,
        worker_consumer="workers.guard:GuardedConsumer",
        worker_max_memory_per_child=child_limit(runtime.group, runtime.processes),
        worker_prefetch_multiplier=prefetch_multiplier(runtime.lane, runtime.processes),
    )
    if runtime.lane is not None:
        app.steps["consumer"].add(Lane)
    for command in set(Panel.data) - HARMLESS_COMMANDS:
        del Panel.data[command]
    refuse_compression()
    keep_undecodable()
    register_serializer()
    register(app, runtime)
    return app


def send_to_group(group: str, payload: Payload, settings: Settings | None = None) -> str:
    """Send an event to one group only, as a Celery message from a trusted user; returns its id."""
    app = sending_app(settings or from_environment(os.environ))
    fields = payload.model_dump(mode="json")
    key = names.group_key(group)
    return str(app.send_task(payload.event_type, kwargs=fields, exchange=names.GROUPS, routing_key=key).id)


_apps: dict[str, EventCelery] = {}


def sending_app(settings: Settings) -> EventCelery:
    """The app of this process that sends with these settings."""
    if settings.broker_url not in _apps:
        _apps[settings.broker_url] = make_app(settings.broker_url, settings.load_catalog())
    return _apps[settings.broker_url]
