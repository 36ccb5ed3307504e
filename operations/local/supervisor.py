"""The daemon that keeps the local fleet as `fleet.json` says: `python -m operations.local.supervisor DIRECTORY`."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from operations.local.child import Child
from operations.local.layout import Layout
from operations.local.leftovers import MARK, end_leftovers
from operations.local.numbers import Number, WrongNumbers, is_due, parse_numbers
from operations.local.process_spec import ProcessSpec
from operations.local.rabbitmq_node import write_secret

TICK_SECONDS = 0.05


class Supervisor:
    """Makes what runs equal to what should run, over and over."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._children: dict[str, Child] = {}
        self._wanted: dict[str, ProcessSpec] = {}
        self._numbers: dict[str, Number] = {}
        self._applied = ""
        self._read: dict[Path, tuple[int, int]] = {}
        self._written: dict[str, Any] | None = None
        self._in_trouble: set[str] = set()
        self._stop = False

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then stop everything in order."""
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        while not self._stop:
            with self._going_on("read the fleet"):
                self._read_fleet()
            with self._going_on("read the numbers of workers"):
                self._read_numbers()
            self._reconcile()
            self._write_status()
            time.sleep(TICK_SECONDS)
        self._stop_all()

    def _on_stop(self, _number: int, _frame: object) -> None:
        self._stop = True

    @contextlib.contextmanager
    def _going_on(self, what: str) -> Iterator[None]:
        """A full or failing disk ends nothing: it is said once, and what failed is tried again at the next tick."""
        try:
            yield
        except OSError as error:
            if what not in self._in_trouble:
                self._in_trouble.add(what)
                say(f"cannot {what}: {error}; going on with what is known, free the disk or mend the directory")
            return
        if what in self._in_trouble:
            self._in_trouble.remove(what)
            say(f"can {what} again")

    def _read_fleet(self) -> None:
        content = self._changed(self._layout.fleet)
        if content is None:
            return
        try:
            specs = [self._marked(ProcessSpec.from_json(item)) for item in json.loads(content)]
        except (ValueError, TypeError, KeyError) as error:
            say(f"{self._layout.fleet.name} must be a list of processes, got {error!r}; going on as before")
            return
        self._wanted = {spec.name: spec for spec in specs}
        self._applied = digest(content)

    def _read_numbers(self) -> None:
        content = self._changed(self._layout.numbers)
        if content is None:
            return
        try:
            self._numbers = parse_numbers(content)
        except WrongNumbers as error:
            say(f"{error}; going on as before")

    def _changed(self, path: Path) -> str | None:
        """What a file holds, if that is not what was read last."""
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        mark = (stat.st_mtime_ns, stat.st_ino)
        if self._read.get(path) == mark:
            return None
        content = path.read_text(encoding="utf-8", errors="replace")
        self._read[path] = mark
        return content

    def _reconcile(self) -> None:
        due = {name: spec for name, spec in self._wanted.items() if is_due(spec, self._numbers)}
        for name, child in list(self._children.items()):
            if due.get(name) != child.spec:
                child.begin_stop()
            child.tick()
            if child.stopped:
                del self._children[name]
        for name, spec in due.items():
            if name not in self._children:
                self._children[name] = Child(spec, self._layout, say)

    def _marked(self, spec: ProcessSpec) -> ProcessSpec:
        return dataclasses.replace(spec, env={**spec.env, MARK: str(self._layout.root.resolve())})

    def _stop_all(self) -> None:
        say("stopping everything")
        for rank in sorted({child.spec.stop_rank for child in self._children.values()}):
            stopping = [child for child in self._children.values() if child.spec.stop_rank == rank]
            for child in stopping:
                child.begin_stop()
            while not all(child.stopped for child in stopping):
                for child in self._children.values():
                    if child.spec.stop_rank == rank:
                        child.tick()
                self._write_status()
                time.sleep(TICK_SECONDS)
        with self._going_on("remove the status"):
            self._layout.processes.unlink(missing_ok=True)
        say("everything is stopped")

    def _write_status(self) -> None:
        status = {
            "supervisor": os.getpid(),
            "applied": self._applied,
            "processes": [dataclasses.asdict(child.status) for child in self._children.values()],
        }
        if status != self._written:
            with self._going_on("write the status"):
                write_secret(self._layout.processes, json.dumps(status, indent=1))
                self._written = status


def digest(content: str) -> str:
    """What tells one content of `fleet.json` from another."""
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def say(text: str) -> None:
    """Write one line to the supervisor's log; where the disk is full it is lost."""
    with contextlib.suppress(OSError):
        print(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}", file=sys.stderr, flush=True)  # noqa: T201


def main(arguments: list[str]) -> int:
    """Run for one directory; only one at a time may."""
    layout = Layout(Path(arguments[0]))
    layout.make()
    with layout.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another supervisor runs for {layout.root}")
            return 1
        # The lock goes to the child: whoever started us knows that we run, and is not our parent.
        if os.fork():
            os._exit(0)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        ended = end_leftovers(layout)
        say(
            f"supervisor started, pid {os.getpid()}" + (f"; ended {ended} processes of an earlier one" if ended else "")
        )
        Supervisor(layout).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
