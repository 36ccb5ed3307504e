"""The report of a run: each scenario's line, recovery times, what the zeroes bound, versions."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from operations.faults import judging
from operations.faults.suite import Line
from operations.faults.world import World
from workers.database import reading

#: What would be the worst bugs there are.
WORST = (judging.LOST, judging.DOUBLED, judging.PHANTOM, judging.CALLED_TWICE, judging.NOT_CALLED)


def rows(lines: Sequence[Line]) -> list[list[object]]:
    """For a table: kind, scenario, events, injections, seconds, recovery, red lines, whether it is as it should be."""
    return [_row(line) for line in lines]


def _row(line: Line) -> list[object]:
    outcome = line.outcome
    red = ", ".join(f"{name} {count}" for name, count in outcome.verdict.counts().items())
    red = f"{red} ({line.reason})" if line.reason else red
    injected = "/".join(str(count) for count in line.crashes.values()) if line.crashes else str(outcome.injections)
    recovery = None if outcome.recovery is None else round(outcome.recovery, 1)
    name = f"{line.guard} off: {line.name}" if line.guard else line.name
    if line.skipped:
        return [line.kind, name, None, None, None, None, line.reason, None]
    return [line.kind, name, outcome.events, injected, round(outcome.seconds), recovery, red, line.good]


def whole_report(lines: Sequence[Line], versions: Mapping[str, str], *, seed: int, seconds: float) -> dict[str, Any]:
    """All of it as plain data."""
    guarded = [line for line in lines if line.kind != "control" and not line.skipped]
    skipped = sum(line.skipped for line in lines)
    controls = [line for line in lines if line.kind == "control"]
    events = sum(line.outcome.events for line in guarded)
    found = {name: sum(_count(line, name) for line in guarded if name not in line.tolerated) for name in WORST}
    tolerated = sum(_count(line, name) for line in guarded for name in line.tolerated.intersection(WORST))
    recovered = sorted(line.outcome.recovery for line in guarded if line.outcome.recovery is not None)
    return {
        "seed": seed,
        "seconds": round(seconds),
        "events": events,
        "worst": found,
        "tolerated": tolerated,
        "recovery_p50": round(statistics.median(recovered), 1) if recovered else None,
        "recovery_p95": round(_p95(recovered), 1) if recovered else None,
        "versions": dict(versions),
        "summary": _summary(guarded, controls, events, sum(found.values()), seconds) + _left_out(skipped, tolerated),
        "scenarios": [line.as_json() for line in lines],
    }


def _p95(ordered: Sequence[float]) -> float:
    return ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]


def _summary(guarded: Sequence[Line], controls: Sequence[Line], events: int, worst: int, seconds: float) -> str:
    injections = sum(line.outcome.injections for line in guarded)
    parts = [f"{worst} lost or doubled of {events} events under {injections} injections"]
    if events and not worst:
        parts.append(f"zero in {events} trials bounds the rate at {3 / events:.1g} (95 %)")
    if controls:
        red = sum(line.good for line in controls)
        parts.append(f"{red} of {len(controls)} guards were missed when they were off")
    good = sum(line.good for line in (*guarded, *controls))
    parts.append(f"{good} of {len(guarded) + len(controls)} scenarios as they should be, in {seconds / 60:.1f} minutes")
    return "; ".join(parts)


def _count(line: Line, name: str) -> int:
    return line.outcome.verdict.counts().get(name, 0)


def _left_out(skipped: int, tolerated: int) -> str:
    parts = {"skipped, which this machine cannot have": skipped, "doubled where that is tolerated": tolerated}
    return "".join(f"; {count} {what}" for what, count in parts.items() if count)


def versions(world: World) -> dict[str, str]:
    """Of all that took part; of the stack's servers as long as they answer."""
    try:
        servers = _servers(world)
    except (httpx.HTTPError, SQLAlchemyError) as error:
        servers = {"servers": f"did not answer ({type(error).__name__})"}
    ours = {name: version(name) for name in ("celery", "kombu")}
    return {"python": platform.python_version(), **ours, **servers}


def _servers(world: World) -> dict[str, str]:
    with world.management() as api:
        overview = api.get("/api/overview").raise_for_status().json()
    with reading(world.engine) as connection:
        function = "sqlite_version()" if world.engine.dialect.name == "sqlite" else "current_setting('server_version')"
        store = str(connection.execute(text(f"SELECT {function}")).scalar_one())
    return {
        "rabbitmq": overview["rabbitmq_version"],
        "erlang": overview["erlang_version"],
        world.engine.dialect.name: store.split(maxsplit=1)[0],
    }
