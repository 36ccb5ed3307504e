"""Waiting for what became of an event."""

from __future__ import annotations

from typing import Any

from tests.integration.aws.conftest import Millrace
from tests.integration.workers.stack import until


def settled(millrace: Millrace, event_id: str, *, groups: tuple[str, ...]) -> dict[str, Any]:
    """The report on an event once each of the groups has processed it."""

    def all_done() -> dict[str, Any]:
        report: dict[str, Any] = millrace("why", event_id)
        outcomes = {name: report["groups"].get(name, {}).get("outcome") for name in groups}
        return report if set(outcomes.values()) == {"processed"} else {}

    return until(all_done, seconds=60, what=f"{event_id} processed by {groups}")
