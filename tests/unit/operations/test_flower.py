"""Flower's settings, redaction and routes."""

import pytest
from flower.api import control, tasks
from tornado import web

from operations.flower.redaction import HIDDEN, RedactedEvents, without_payloads
from operations.flower.routes import restrict
from operations.flower.settings import FlowerSettingsError, from_environment

GOOD = {"MILLRACE_BROKER_URL": "amqp://u:p@127.0.0.1/v", "FLOWER_BASIC_AUTH": "millrace:long-enough"}


def test_loopback_and_a_port_unless_told_otherwise() -> None:
    settings = from_environment(GOOD)
    assert (settings.address, settings.port) == ("127.0.0.1", 5555)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"FLOWER_BASIC_AUTH": ""}, "FLOWER_BASIC_AUTH"),
        ({"FLOWER_BASIC_AUTH": "millrace"}, "FLOWER_BASIC_AUTH"),
        ({"FLOWER_BASIC_AUTH": "millrace:short"}, "FLOWER_BASIC_AUTH"),
        ({"FLOWER_BASIC_AUTH": ":long-enough"}, "FLOWER_BASIC_AUTH"),
        ({"MILLRACE_BROKER_URL": ""}, "MILLRACE_BROKER_URL"),
        ({"FLOWER_PORT": "http"}, "FLOWER_PORT"),
        ({"FLOWER_UNAUTHENTICATED_API": "true"}, "FLOWER_UNAUTHENTICATED_API"),
    ],
)
def test_it_refuses_to_start(changed: dict[str, str], named: str) -> None:
    with pytest.raises(FlowerSettingsError, match=named) as raised:
        from_environment(GOOD | changed)
    assert "short" not in str(raised.value)


def test_payloads_are_hidden_at_any_depth() -> None:
    told = {"uuid": "1", "args": "('a@b',)", "kwargs": "", "request": [{"kwargs": {"email": "a@b"}}]}
    assert without_payloads(told) == {"uuid": "1", "args": HIDDEN, "kwargs": "", "request": [{"kwargs": HIDDEN}]}


def test_events_lose_their_payloads_before_anything_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr("flower.events.Events.on_event", lambda _self, event: seen.append(event))
    RedactedEvents.on_event(object.__new__(RedactedEvents), {"type": "task-received", "kwargs": "{'email': 'a@b'}"})
    assert seen == [{"type": "task-received", "kwargs": HIDDEN}]


def test_no_route_changes_anything_and_all_ask_for_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    from flower import urls  # noqa: PLC0415

    monkeypatch.setattr(urls, "handlers", urls.handlers)
    restrict()
    restrict()
    classes = [route.handler_class if isinstance(route, web.url) else route[1] for route in urls.handlers]
    kept = {handler.__name__ for handler in classes}
    steering = {name for name, kind in vars(control).items() if isinstance(kind, type) and hasattr(kind, "post")}
    steering |= {name for name, kind in vars(tasks).items() if isinstance(kind, type) and name.startswith("TaskA")}
    assert not kept & (steering - {"ControlHandler", "BaseApiHandler"})
    assert {"GuardedMetrics", "GuardedHealthcheck", "TasksView", "WorkersView"} <= kept
