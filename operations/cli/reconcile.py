"""`millrace reconcile`: the accepted log against the outcomes."""

import re
from datetime import UTC, datetime
from typing import Any

import click
from millrace import names

from operations.cli.output import as_option
from operations.connections import Connections, NotRunning, catalog, connections

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Duration(click.ParamType[float]):
    """A number of seconds, minutes, hours or days: `90s`, `15m`, `24h`, `7d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+)([smhd])", value)
        if found is None:
            self.fail(f"must be a number with s, m, h or d after it (24h), got {value!r}", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


class Moment(Duration):
    """A duration before now, or a time in ISO 8601 (UTC unless it says otherwise)."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds before now if negative, else since 1970."""
        if re.fullmatch(r"\d+[smhd]", value):
            return -super().convert(value, param, ctx)
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"must be a duration (24h) or a time (2026-01-31T12:00), got {value!r}", param, ctx)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


@click.command("reconcile")
@click.option("--since", type=Moment(), help="Only events accepted since: 24h, 7d or an ISO time. Default: all kept.")
@click.option(
    "--grace", type=Duration(), default="1h", show_default=True, help="A younger event may still be on its way."
)
@click.option("--from-log", is_flag=True, help="Read the log at the broker again, too: is all of it in the index?")
@as_option
def command(since: float | None, grace: float, from_log: bool, as_json: bool) -> None:
    """Compare what was accepted with what became of it, per event and group, and name what does not add up.

    Each accepted event must be processed, discarded, dead-lettered or in flight in each group that takes its type, or
    parked if none does. Exit code 1 if one is not.
    """
    from operations.cli.reconcile_output import show, show_json  # noqa: PLC0415 (--help stays quick)
    from operations.reconciliation import Reconciliation  # noqa: PLC0415
    from workers.database import connect  # noqa: PLC0415

    where, known = connections(), catalog()
    if where.environment.get("MILLRACE_INBOX_URL"):
        click.echo("the inbox is in another store: what retries there for longer than --grace is named, too", err=True)
    engine = connect(where.database_url())
    try:
        begin = _since(engine, since)
        log = None
        if from_log:
            from operations.accepted_log import AcceptedLog  # noqa: PLC0415

            log = AcceptedLog(where.broker_url(names.own_user(where.vhost, "keeper")), engine, known, since=begin)
        comparison = Reconciliation(engine, known, since=begin, grace=grace, queued=_queued(where))
        adds_up = (show_json if as_json else show)(comparison, log)
    finally:
        engine.dispose()
    if not adds_up:
        raise click.exceptions.Exit(1)


def _since(engine: Any, since: float | None) -> float:
    """As a time of the store: durations count back from its own clock."""
    if since is None or since >= 0:
        return since or 0.0
    from millrace.publishing.store_clock import store_now  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    with engine.connect() as connection:
        return float(connection.execute(select(store_now())).scalar_one()) + since


def _queued(where: Connections) -> dict[str | None, int]:
    """How many messages wait for each group (None: to be parked); nothing, and a word on it, if nobody can tell."""
    from operations.queue_numbers import queue_numbers  # noqa: PLC0415
    from workers.broker_state import BrokerUnreadable  # noqa: PLC0415

    try:
        queues = queue_numbers(where.monitoring_url(), where.vhost)
    except (BrokerUnreadable, NotRunning) as error:
        click.echo(f"the broker was not asked what waits in its queues: {error}", err=True)
        return {}
    found: dict[str | None, int] = {
        group.name: queues[names.group_queue(group.name)].messages
        for group in catalog().groups
        if names.group_queue(group.name) in queues
    }
    return found | {None: queues[names.PARKED].messages if names.PARKED in queues else 0}
