"""The supervisor keeps real processes running, ends them, and leaves none behind."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from operations.local import child as child_module
from operations.local.child import Child, ChildStatus
from operations.local.daemon import (
    apply_fleet,
    running,
    start_supervisor,
    stop_supervisor,
    supervisor_pid,
)
from operations.local.layout import Layout
from operations.local.numbers import Number, write_numbers
from operations.local.ports import free_ports
from operations.local.process_spec import ProcessSpec
from tests.processes_seen import runs

#: Says what happens to it; has a child of its own, as a Celery worker has.
SLEEPER = """
import signal, subprocess, sys, time
subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
signal.signal(signal.SIGTERM, lambda *_: (print('asked to end', flush=True), sys.exit(0)))
print('up', flush=True)
while True: time.sleep(0.1)
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    layout = Layout(tmp_path / "a clone" / ".local")
    assert start_supervisor(layout)
    yield layout
    stop_supervisor(layout)


def spec(name: str, code: str = SLEEPER, **more: object) -> ProcessSpec:
    return ProcessSpec(**{"name": name, "argv": (sys.executable, "-c", code), "cwd": "/", **more})  # type: ignore[arg-type]


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition must come true in time"
        time.sleep(0.02)


def status_of(layout: Layout, name: str) -> ChildStatus | None:
    return next((status for status in running(layout).processes if status.name == name), None)


def run(layout: Layout, *specs: ProcessSpec) -> dict[str, int]:
    """Apply a fleet, wait until every process is up by its own word; gives the process ids."""
    applied = apply_fleet(layout, specs)
    pids: dict[str, int] = {}

    def all_up() -> bool:
        now = running(layout)
        by_name = {status.name: status for status in now.processes}
        if now.applied != applied or set(by_name) != {one.name for one in specs}:
            return False
        if any(by_name[one.name].state != "running" or by_name[one.name].version != one.version for one in specs):
            return False
        pids.update({name: status.pid for name, status in by_name.items() if status.pid})
        return all("up" in log_of(layout, one.name) for one in specs)

    until(all_up)
    return pids


def log_of(layout: Layout, name: str) -> str:
    path = layout.log(name)
    return path.read_text() if path.exists() else ""


def gone(*processes: psutil.Process) -> bool:
    return not any(runs(process.pid) for process in processes)


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    until(lambda: len(process.children()) == 1)
    return [process, *process.children(recursive=True)]


def test_starts_once(layout: Layout) -> None:
    assert not start_supervisor(layout)
    assert layout.root.stat().st_mode & 0o777 == 0o700
    apply_fleet(layout, [])
    assert layout.fleet.stat().st_mode & 0o777 == 0o600


def test_a_killed_process_comes_back_and_the_log_says_why(layout: Layout) -> None:
    pid = run(layout, spec("one"))["one"]
    old = family(pid)
    os.kill(pid, signal.SIGKILL)
    until(lambda: (now := status_of(layout, "one")) is not None and now.state == "running" and now.pid != pid)
    until(lambda: gone(*old))
    assert "one died after" in log_of(layout, "supervisor")
    assert "SIGKILL; starting it again in 0.2 s" in log_of(layout, "supervisor")


def test_a_full_disk_ends_nothing(layout: Layout) -> None:
    """No file may grow any more, the supervisor's log neither: it restarts what dies all the same."""
    asleep = spec("one", "print('up', flush=True); import time; time.sleep(600)")
    old = psutil.Process(run(layout, asleep)["one"])
    supervisor = psutil.Process(supervisor_pid(layout))
    quiet = spec("two", "import time; time.sleep(600)")
    apply_fleet(layout, [asleep, quiet])
    until(lambda: (now := status_of(layout, "two")) is not None and now.state == "running")
    second = psutil.Process(status_of(layout, "two").pid)  # type: ignore[union-attr]
    supervisor.rlimit(psutil.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    second.kill()
    until(lambda: any(child not in (old, second) for child in supervisor.children()))
    supervisor.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    until(lambda: (now := status_of(layout, "two")) is not None and now.restarts == 1 and now.state == "running")
    until(lambda: "can write the status again" in log_of(layout, "supervisor"))
    assert old.is_running()


def test_what_cannot_be_written_is_said_once(layout: Layout) -> None:
    run(layout, spec("one"))
    layout.processes.unlink()
    layout.processes.mkdir()
    os.kill(next(child.pid for child in psutil.Process(supervisor_pid(layout)).children()), signal.SIGKILL)
    until(lambda: log_of(layout, "supervisor").count("one started") == 2)
    layout.processes.rmdir()
    until(lambda: (now := status_of(layout, "one")) is not None and now.state == "running")
    assert log_of(layout, "supervisor").count("cannot write the status") == 1


def test_back_off_doubles(layout: Layout) -> None:
    apply_fleet(layout, [spec("broken", "raise SystemExit(7)")])
    until(lambda: "exit code 7; starting it again in 0.8 s" in log_of(layout, "supervisor"))
    log = log_of(layout, "supervisor")
    assert log.index("again in 0.2 s") < log.index("again in 0.4 s") < log.index("again in 0.8 s")


def test_a_program_that_is_not_there_does_not_end_the_supervisor(layout: Layout) -> None:
    apply_fleet(layout, [ProcessSpec(name="ghost", argv=("/nowhere/to/be/found",), cwd="/"), spec("one")])
    until(lambda: "ghost could not be started" in log_of(layout, "supervisor"))
    until(lambda: (now := status_of(layout, "one")) is not None and now.state == "running")


def test_only_what_changed_is_replaced_and_it_was_asked_first(layout: Layout) -> None:
    before = run(layout, spec("same"), spec("changed", version="1"))
    after = run(layout, spec("same"), spec("changed", version="2"))
    assert after["same"] == before["same"]
    assert after["changed"] != before["changed"]
    assert "asked to end" in log_of(layout, "changed")


def test_what_is_no_longer_listed_ends(layout: Layout) -> None:
    pids = run(layout, spec("stays"), spec("goes"))
    old = family(pids["goes"])
    assert run(layout, spec("stays")) == {"stays": pids["stays"]}
    until(lambda: gone(*old))


def test_one_that_does_not_listen_is_killed_after_its_grace(layout: Layout) -> None:
    pid = run(layout, spec("stubborn", STUBBORN, grace=0.3))["stubborn"]
    run(layout)
    assert not psutil.pid_exists(pid)
    assert "stubborn did not end within" in log_of(layout, "supervisor")


def test_stops_in_order_and_leaves_nothing(layout: Layout) -> None:
    pids = run(layout, spec("broker", stop_rank=90), spec("worker", stop_rank=10))
    everything = [process for pid in pids.values() for process in family(pid)]
    supervisor = supervisor_pid(layout)
    assert stop_supervisor(layout)
    until(lambda: gone(*everything))
    assert supervisor is not None
    assert supervisor_pid(layout) is None
    log = log_of(layout, "supervisor")
    assert log.index("worker stopped") < log.index("broker stopped") < log.index("everything is stopped")
    assert not stop_supervisor(layout)


def test_nothing_outlives_a_killed_supervisor(layout: Layout) -> None:
    pids = run(layout, spec("one", grace=1.0), spec("stubborn", STUBBORN, grace=1.0))
    everything = [*family(pids["one"]), psutil.Process(pids["stubborn"])]
    supervisor = supervisor_pid(layout)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: supervisor_pid(layout) is None)
    if sys.platform == "linux":
        until(lambda: gone(everything[0]))
    assert running(layout).processes == ()
    assert stop_supervisor(layout)
    until(lambda: gone(*everything))


def test_a_new_supervisor_ends_what_a_killed_one_left(layout: Layout) -> None:
    pid = run(layout, spec("stubborn", STUBBORN, grace=1.0))["stubborn"]
    left = psutil.Process(pid)
    supervisor = supervisor_pid(layout)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: supervisor_pid(layout) is None)
    assert left.is_running()
    assert start_supervisor(layout)
    until(lambda: gone(left))
    until(lambda: (now := status_of(layout, "stubborn")) is not None and now.state == "running")


def replicas(*names: str) -> list[ProcessSpec]:
    return [
        spec(name, replica_of="g", replica=number, at_first=number == 1) for number, name in enumerate(names, start=1)
    ]


def names_of(layout: Layout) -> list[str]:
    return sorted(status.name for status in running(layout).processes if status.state == "running")


def test_a_group_has_as_many_workers_as_its_number_says(layout: Layout) -> None:
    """The last ones end first, asked; a number that makes no sense changes nothing."""
    apply_fleet(layout, [spec("relay"), *replicas("one", "two", "three")])
    until(lambda: names_of(layout) == ["one", "relay"])
    write_numbers(layout, {"g": Number(number=3, wanted=3)})
    until(lambda: names_of(layout) == ["one", "relay", "three", "two"])
    first = status_of(layout, "one")
    until(lambda: "up" in log_of(layout, "three"))
    write_numbers(layout, {"g": Number(number=1, wanted=1)})
    until(lambda: names_of(layout) == ["one", "relay"])
    until(lambda: "asked to end" in log_of(layout, "three"))
    assert status_of(layout, "one") == first
    layout.numbers.write_text("{")
    until(lambda: "must have a number for each group" in log_of(layout, "supervisor"))
    assert names_of(layout) == ["one", "relay"]
    write_numbers(layout, {"g": Number(number=0, wanted=0)})
    until(lambda: names_of(layout) == ["relay"])


def test_a_worker_that_ends_by_itself_after_a_while_has_a_successor_at_once(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no crash: neither counted nor waited after."""
    said: list[str] = []
    monkeypatch.setattr(child_module, "STEADY_SECONDS", 0.5)
    ending = spec("ending", "import time; time.sleep(0.7)", replica_of="g")
    child = Child(ending, layout, said.append)

    def ticked() -> Child:
        child.tick()
        return child

    until(lambda: ticked() is child and sum("started" in line for line in said) == 2)
    assert child.status.restarts == 0
    assert any("ended by itself" in line for line in said)
    child.begin_stop()
    until(lambda: ticked().stopped)


def test_a_fleet_file_that_makes_no_sense_changes_nothing(layout: Layout) -> None:
    pid = run(layout, spec("one"))["one"]
    layout.fleet.write_text(json.dumps({"not": "a list"}))
    until(lambda: "going on as before" in log_of(layout, "supervisor"))
    now = status_of(layout, "one")
    assert now is not None
    assert now.pid == pid


def test_waits_for_the_ports_it_needs(layout: Layout, unused_port: int) -> None:
    listen = f"import socket, time; s = socket.create_server(('127.0.0.1', {unused_port}))"
    server = f"{listen}; print('up', flush=True); time.sleep(600)"
    apply_fleet(layout, [spec("client", waits_for=(unused_port,))])
    until(lambda: status_of(layout, "client") is not None)
    assert status_of(layout, "client").state == "waiting"  # type: ignore[union-attr]
    run(layout, spec("client", waits_for=(unused_port,)), spec("server", server))


@pytest.fixture
def unused_port() -> int:
    return free_ports(1)[0]
