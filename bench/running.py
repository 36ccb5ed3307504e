"""Runs what is measured, in alternation, and goes on if one of it fails."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.report import Report, Row, Section
from bench.servers import Servers
from bench.spread import Figures

Say = Callable[[str], None]
MOST_OF_AN_ERROR = 2_000


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way to do what an axis measures."""

    name: str
    measure: Callable[[Servers], Figures]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What is compared; the first case is what the others are compared with, by `figure`."""

    name: str
    title: str
    cases: Sequence[Case]
    figure: str = "per_second"
    rounds: int = 3


def run_all(servers: Servers, axes: Sequence[Axis], report: Report, say: Say, keep: Callable[[], None]) -> None:
    """Measure round by round, one case after the other, so that what else the machine does meets all alike.

    What is found goes into the report, which is kept after each step. A case that fails is named, and left out from
    then on.
    """
    before = report.minutes
    began, done, all_ = time.monotonic(), 0, sum(len(axis.cases) * axis.rounds for axis in axes)
    for axis in axes:
        section = Section(axis.name, axis.title, axis.figure, [Row(case.name) for case in axis.cases])
        report.sections.append(section)
        for number in range(1, axis.rounds + 1):
            for case, row in zip(axis.cases, section.rows, strict=True):
                if row.failed is None:
                    say(f"{done + 1}/{all_} {axis.name}, round {number}: {case.name}{_left(began, done, all_)}")
                    _measure(servers, case, row, say)
                done += 1
                report.minutes = before + (time.monotonic() - began) / 60
                keep()


def _measure(servers: Servers, case: Case, row: Row, say: Say) -> None:
    try:
        row.rounds.append(case.measure(servers))
    except Exception as error:  # whatever a peer does, the others are measured
        row.failed = f"{type(error).__name__}: {error}"[:MOST_OF_AN_ERROR]
        say(f"    FAILED, left out from now on: {row.failed}")
    else:
        say("    " + ", ".join(f"{name} {value:,.4g}" for name, value in row.rounds[-1].items()))


def _left(began: float, done: int, all_: int) -> str:
    if not done:
        return ""
    return f"  (about {(time.monotonic() - began) / done * (all_ - done) / 60:.1f} min left)"
