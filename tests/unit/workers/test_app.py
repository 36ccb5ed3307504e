"""The Celery app's settings that guarantees hang on; each was once the cause of a loss or a standstill."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
from celery.worker import control
from celery.worker.control import Panel
from kombu import Connection
from millrace import seconds
from millrace.catalog import CATALOG
from millrace.derived import RECONNECT_SECONDS, timing
from millrace.errors import UnknownEventType

from workers.app import HARMLESS_COMMANDS, EventCelery, make_worker_app, route
from workers.guard import STEPS
from workers.memory import child_limit
from workers.runtime import Runtime
from workers.settings import Settings

PASSWORD = "hunter2"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[EventCelery]:
    """The app of the signup group's workers."""
    monkeypatch.setattr(Panel, "data", dict(Panel.data))
    broker = f"amqp://u:{PASSWORD}@127.0.0.1:1/v"
    settings = Settings(broker_url=f"{broker};{broker}", database_url=f"postgresql://u:{PASSWORD}@h/d")
    made = make_worker_app(Runtime(settings, CATALOG, CATALOG.group("signup")))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("task_acks_late", True),
        ("task_acks_on_failure_or_timeout", False),
        ("task_reject_on_worker_lost", True),
        ("task_create_missing_queues", False),
        ("worker_prefetch_multiplier", 1),
        ("worker_enable_prefetch_count_reduction", False),
        ("accept_content", ["json"]),
        ("control_queue_exclusive", True),
        ("event_queue_exclusive", True),
        ("worker_consumer", "workers.guard:GuardedConsumer"),
    ],
)
def test_setting(app: EventCelery, setting: str, value: object) -> None:
    """Set as the guarantees need it."""
    assert app.conf[setting] == value


@pytest.mark.parametrize(
    ("longest", "processes", "prefetch"),
    [(0.1, 3, 100), (0.5, 3, 20), (5.0, 3, 1), (120.0, 1, 1)],
)
def test_what_follows_from_the_groups_longest_runtime(
    monkeypatch: pytest.MonkeyPatch, longest: float, processes: int, prefetch: int
) -> None:
    """Processes, prefetch, how long the broker waits, when a process is killed, what memory one may use."""
    monkeypatch.setattr(Panel, "data", dict(Panel.data))
    group = replace(CATALOG.group("signup"), longest_runtime=seconds(longest), usual_runtime=None, memory=1024)
    settings = Settings(broker_url="amqp://u:p@127.0.0.1:1/v", database_url="postgresql://u:p@h/d", concurrency=3)
    runtime = Runtime(settings, CATALOG, group)
    app = make_worker_app(runtime)
    (queue,) = app.conf.task_queues
    limits = timing(group)
    assert runtime.processes == processes
    assert app.conf.worker_prefetch_multiplier == prefetch
    assert queue.consumer_arguments == {"x-consumer-timeout": round(limits.consumer_timeout * 1000)}
    assert app.conf.task_time_limit == limits.hard_limit
    assert app.conf.worker_max_memory_per_child == child_limit(group, processes)
    app.close()


def test_celery_s_own_events_wait_for_no_confirm(app: EventCelery) -> None:
    """Under a broker alarm the worker's loop would stand still, and nothing be consumed that could end the alarm."""
    assert "confirm_publish" not in app.conf.broker_transport_options


def test_no_password_is_shown_by_remote_control(app: EventCelery) -> None:
    """Flower asks for the app's settings; whoever sees Flower must not see the store's password."""
    shown = repr(control.conf(SimpleNamespace(app=app), with_defaults=True)) + repr(
        control.report(SimpleNamespace(app=app))
    )
    assert "127.0.0.1" in shown
    assert PASSWORD not in shown


def test_a_broker_that_is_out_is_tried_every_few_seconds(app: EventCelery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery's own pauses grow to half a minute."""
    asked: dict[str, float] = {}
    monkeypatch.setattr(Connection, "_ensure_connection", lambda _self, **options: asked.update(options))
    app.connection_for_read().ensure_connection()
    assert asked["interval_max"] == RECONNECT_SECONDS


def test_a_task_per_event_type_and_nothing_else(app: EventCelery) -> None:
    """Flower shows tasks by event type."""
    assert {name for name in app.tasks if not name.startswith("celery.")} == {"user.signed_up"}


def test_remote_control_only_looks(app: EventCelery) -> None:
    """Revoke, shutdown, rate limits and the like are dropped."""
    assert app.control is not None
    assert set(Panel.data) <= HARMLESS_COMMANDS
    assert {"revoke", "shutdown", "add_consumer", "pool_restart", "rate_limit"}.isdisjoint(Panel.data)
    assert "ping" in Panel.data


def test_celery_declares_no_delays() -> None:
    """The step that would is left out; the others are there."""
    assert not any("delayed_delivery" in step for step in STEPS)
    assert any("tasks:Tasks" in step for step in STEPS)


def test_routes() -> None:
    """An event goes through the door, a task to its group."""
    assert route(CATALOG, "user.signed_up") == ("in", "user.signed_up")
    assert route(CATALOG, "USER_SIGNUP") == ("in", "user.signed_up")
    assert route(CATALOG, "onboarding.step_due") == ("groups", "group.workflow")
    with pytest.raises(UnknownEventType):
        route(CATALOG, "no.such")
