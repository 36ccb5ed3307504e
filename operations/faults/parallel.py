"""A run in several parts at once, each in a process and on a stack of its own: most of a scenario is waiting."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess

from operations.faults.ending import ended_by_signals
from operations.faults.own import SamplesError
from operations.faults.run import Hear, Progress, Run
from operations.local.errors import LocalError

#: What a part cannot go on with, and says in one line.
_TOLD = (LocalError, SamplesError)


@dataclass(frozen=True)
class _Failed:
    text: str


def run_in_parts(run: Run, parts: int, hear: Hear) -> None:
    """Run a suite in so many parts, and hear of all; all are stopped if one fails.

    Raises LocalError if one could not begin, or ended before it was through.
    """
    if parts == 1:
        run.go(hear)
        return
    with _started([replace(run, part=part, parts=parts) for part in range(parts)]) as started:
        for told in _heard([line for _process, line in started]):
            if isinstance(told, _Failed):
                raise LocalError(told.text)
            hear(told)
        for process, _line in started:
            process.join()
            if process.exitcode:
                raise LocalError(f"{process.name} must run to its end, got exit code {process.exitcode}")


@contextmanager
def _started(runs: list[Run]) -> Iterator[list[tuple[ForkProcess, Connection]]]:
    """A process for each run, with the line that it tells on; they have ended with the block."""
    context = multiprocessing.get_context("fork")  # nothing of ours runs in threads before a part has begun
    started: list[tuple[ForkProcess, Connection]] = []
    try:
        for run in runs:
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_part, args=(run, there), name=f"part {run.part + 1} of {run.parts}")
            process.start()
            there.close()  # or its end would not be seen here
            started.append((process, here))
        yield started
    finally:
        for process, _line in started:
            process.terminate()
        for process, line in started:
            process.join()
            line.close()


def _heard(lines: list[Connection]) -> Iterator[Progress | _Failed]:
    """What is told on any of the lines, until all have ended."""
    left: list[object] = [*lines]
    while left:
        for line in wait(left):  # type: ignore[arg-type]
            assert isinstance(line, Connection)
            try:
                yield line.recv()
            except EOFError:
                left.remove(line)


def _part(run: Run, line: Connection) -> None:
    """The process of a part."""
    with ended_by_signals():
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))
        try:
            run.go(line.send)
        except _TOLD as error:
            line.send(_Failed(str(error)))
        finally:
            line.close()
