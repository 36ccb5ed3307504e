"""Flower's routes without those that change something, and with a login before every page."""

from collections.abc import Awaitable
from typing import Any

from flower.api import control, tasks
from flower.urls import handlers
from flower.views import monitor
from flower.views.broker import BrokerView
from tornado import web
from tornado.routing import URLSpec

#: They change workers, send tasks or wait for results; /broker would need more rights than Flower's user has.
_LEFT_OUT = (
    tasks.TaskApply,
    tasks.TaskAsyncApply,
    tasks.TaskSend,
    tasks.TaskResult,
    tasks.TaskAbort,
    tasks.GetQueueLengths,
    control.WorkerShutDown,
    control.WorkerPoolRestart,
    control.WorkerPoolGrow,
    control.WorkerPoolShrink,
    control.WorkerPoolAutoscale,
    control.WorkerQueueAddConsumer,
    control.WorkerQueueCancelConsumer,
    control.TaskTimout,
    control.TaskRateLimit,
    control.TaskRevoke,
)


class GuardedMetrics(monitor.Metrics):  # type: ignore[misc]
    """Flower's own metrics, which are open even with basic auth, behind the login."""

    @web.authenticated
    def get(self) -> Awaitable[None]:
        """Answer in Prometheus' text format."""
        answer: Awaitable[None] = super().get()
        return answer


class GuardedHealthcheck(monitor.Healthcheck):  # type: ignore[misc]
    """Flower's health check behind the login."""

    @web.authenticated
    def get(self) -> Awaitable[None]:
        """Answer OK."""
        answer: Awaitable[None] = super().get()
        return answer


class NoBroker(BrokerView):  # type: ignore[misc]
    """Instead of Flower's broker page."""

    @web.authenticated
    async def get(self) -> None:
        """Say where the queues are shown."""
        raise web.HTTPError(404, "Queues are shown by `millrace status`.")


_REPLACED = {monitor.Metrics: GuardedMetrics, monitor.Healthcheck: GuardedHealthcheck, BrokerView: NoBroker}


def restrict() -> None:
    """Change Flower's list of routes in place, before its application is made; doing it twice changes nothing."""
    handlers[:] = [_guarded(route) for route in handlers if _handler(route) not in _LEFT_OUT]


def _handler(route: Any) -> type:
    found: type = route.handler_class if isinstance(route, URLSpec) else route[1]
    return found


def _guarded(route: Any) -> Any:
    replacement = _REPLACED.get(_handler(route))
    if replacement is None:
        return route
    if isinstance(route, URLSpec):
        return web.url(route.regex.pattern, replacement, route.kwargs, name=route.name)
    return (route[0], replacement)
