"""Keeps payloads out of Flower's memory, so that no page, search or API can show them."""

from collections.abc import Mapping
from typing import Any

from flower.events import Events
from flower.inspector import Inspector

HIDDEN = "(not shown)"
#: Of a task: what may hold payloads.
_PAYLOADS = frozenset({"args", "kwargs", "result"})


def without_payloads(told: Any) -> Any:
    """The same, with arguments and results of tasks hidden, at any depth."""
    if isinstance(told, Mapping):
        return {
            name: HIDDEN if name in _PAYLOADS and value else without_payloads(value) for name, value in told.items()
        }
    if isinstance(told, list):
        return [without_payloads(each) for each in told]
    return told


class RedactedEvents(Events):  # type: ignore[misc]
    """Task events without payloads."""

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take in one event from a worker."""
        super().on_event(without_payloads(event))


class RedactedInspector(Inspector):  # type: ignore[misc]
    """What workers tell about the tasks they hold, without payloads."""

    def _on_update(self, workername: str, method: str, response: Any) -> None:
        shown = without_payloads(response) if method in self.task_inspect_methods else response
        super()._on_update(workername, method, shown)
