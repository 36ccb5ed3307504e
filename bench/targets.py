"""What Millrace has to reach, and what it did."""

from dataclasses import dataclass

from bench import names
from bench.report import Report
from bench.spread import Spread, ratios


@dataclass(frozen=True, kw_only=True)
class Target:
    """A ratio of one row to another, in the figure that is compared there."""

    what: str
    bound: float
    axis: str
    row: str
    against: str
    figure: str = "per_second"
    at_most: bool = False

    def seen(self, report: Report) -> Spread | None:
        """The ratio; None if one of the two was not measured."""
        section = report.section(self.axis)
        row = section.row(self.row) if section else None
        against = section.row(self.against) if section else None
        return ratios(row.rounds, against.rounds, self.figure) if row and against else None

    def reached(self, ratio: Spread) -> bool:
        """Whether the middle of the rounds is on the right side."""
        return ratio.middle <= self.bound if self.at_most else ratio.middle >= self.bound

    @property
    def text(self) -> str:
        """The bound in words."""
        return f"{'at most' if self.at_most else 'at least'} {self.bound:g}x"


def _drain(what: str, bound: float, row: str, against: str) -> Target:
    return Target(what=what, bound=bound, axis="drain", row=row, against=against)


def _table(what: str, against: str) -> Target:
    return Target(what=what, bound=20, axis="tables", row=names.LANE_EFFECT, against=against)


def _publish(what: str, bound: float, against: str) -> Target:
    return Target(what=what, bound=bound, axis="publish", row=names.PUBLISH_MANY, against=against)


def _latency(figure: str) -> Target:
    return Target(
        what=f"latency at 100 a second, {figure.removesuffix('_ms')}, with inbox, against bare Celery without",
        bound=1.0,
        axis="latency",
        row=names.LANE_EFFECT,
        against=names.CELERY_BARE,
        figure=figure,
        at_most=True,
    )


TARGETS = (
    _drain("inbox + one effect row, against bare Celery with nothing", 5, names.LANE_EFFECT, names.CELERY_BARE),
    _drain("the same against Celery with the usual inbox and effect", 12, names.LANE_EFFECT, names.CELERY_INBOX),
    _drain("the same against dramatiq with nothing", 1.3, names.LANE_EFFECT, names.DRAMATIQ),
    _drain("inbox row only, against dramatiq with nothing", 2, names.LANE_INBOX, names.DRAMATIQ),
    _drain("no inbox, against bare Celery with nothing", 10, names.LANE_NO_RECORD, names.CELERY_BARE),
    _drain("the same against dramatiq with nothing, too", 2.5, names.LANE_NO_RECORD, names.DRAMATIQ),
    Target(
        what="Flower told of every event and listening, against not told",
        bound=0.85,
        axis="flower",
        row=names.TOLD,
        against=names.NOT_TOLD,
    ),
    _publish("`publish_many` against Celery with confirms", 12, names.CELERY_CONFIRMS),
    _publish("`publish_many` against FastStream in bulk", 2, names.FASTSTREAM_BULK),
    _publish("`publish_many` against aio-pika in bulk", 2, names.AIO_PIKA_BULK),
    _latency("p50_ms"),
    _latency("p99_ms"),
    Target(
        what="drain rate with 1,000,000 waiting, against 10,000",
        bound=0.9,
        axis="backlog",
        row=names.MOST_WAITING,
        against=names.LEAST_WAITING,
    ),
    Target(
        what="memory of a worker, against a Celery worker with the usual inbox and the same imports",
        bound=1.2,
        axis="memory",
        row=names.LANE_EFFECT,
        against=names.CELERY_SAME_IMPORTS,
        figure="pss_mib",
        at_most=True,
    ),
    _table("inbox + effect, against procrastinate with effect", names.PROCRASTINATE),
    _table("inbox + effect, against DBOS with effect", names.DBOS),
)
