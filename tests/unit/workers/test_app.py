"""The Celery app's settings that guarantees hang on; each was once the cause of a loss or a standstill."""

from collections.abc import Iterator

import pytest
from celery.worker.control import Panel
from millrace.catalog import CATALOG
from millrace.errors import UnknownEventType

from workers.app import HARMLESS_COMMANDS, EventCelery, make_worker_app, route
from workers.guard import STEPS
from workers.runtime import Runtime
from workers.settings import Settings


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[EventCelery]:
    """The app of the signup group's workers."""
    monkeypatch.setattr(Panel, "data", dict(Panel.data))
    settings = Settings(broker_url="amqp://u:p@127.0.0.1:1/v", database_url="sqlite://")
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


def test_celery_s_own_events_wait_for_no_confirm(app: EventCelery) -> None:
    """Under a broker alarm the worker's loop would stand still, and nothing be consumed that could end the alarm."""
    assert "confirm_publish" not in app.conf.broker_transport_options


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
