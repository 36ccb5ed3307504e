"""One process of a function, as Lambda keeps it: started when it is needed, called again and again, killed if late."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from operations.local.child import FIRST_DELAY, LONGEST_DELAY, how_it_ended
from operations.local.runtime_api import Invocation, RuntimeApi
from operations.local.spawn import dies_with_parent, signal_group

log = structlog.get_logger("millrace.lambda")

#: How often it is looked whether a process that has not answered is still there.
LOOK_SECONDS = 0.05
#: Lambda gives a function ten seconds to be imported, and, if that was not enough, those of its first call.
INIT_SECONDS = 10.0
#: Of this process's environment, what a function's process needs to run at all; nothing else is handed on.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
#: One process is forked at a time: what runs in the child before its program is Python.
_FORKING = threading.Lock()


class CallFailed(Exception):
    """The function raised, was killed or died: what it was given must come again."""


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A function as Lambda has it: its code, unpacked, and what it is started with."""

    name: str
    handler: str
    root: Path
    environment: Mapping[str, str]
    timeout: float
    memory: int
    arn: str


class Instance:
    """At most one process at a time; use it from one thread."""

    def __init__(self, function: Deployed) -> None:
        self._function = function
        self._process: subprocess.Popen[bytes] | None = None
        self._api: RuntimeApi | None = None
        self._delay = FIRST_DELAY
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return self._process.pid if self._process is not None else None

    def wait_seconds(self) -> float:
        """How long it is until a process may be started again after one that failed."""
        return max(0.0, self._not_before - time.monotonic())

    def call(self, event: Mapping[str, Any]) -> Any:
        """Call the function and give its answer; raises CallFailed."""
        self._ensure_started()
        assert self._api is not None
        invocation = Invocation(json.dumps(event).encode(), self._function.timeout, self._function.arn)
        self._api.begin(invocation)
        self._wait(invocation, time.monotonic() + INIT_SECONDS + self._function.timeout)
        self._delay = FIRST_DELAY
        if invocation.error is not None:
            raise CallFailed(invocation.error)
        return invocation.answer

    def close(self) -> None:
        """End the process, as Lambda does: at once."""
        self._end("is not needed any more")

    def _ensure_started(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            self._lost()
        if self._process is None:
            self._start()

    def _start(self) -> None:
        function, self._api = self._function, RuntimeApi()
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        own = {
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "_HANDLER": function.handler,
            "LAMBDA_TASK_ROOT": str(function.root),
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{function.name}-{time.time_ns()}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "PYTHONPATH": str(function.root),
            "PYTHONUNBUFFERED": "1",
        }
        with _FORKING:
            self._process = subprocess.Popen(  # noqa: S603 (argv is ours)
                [sys.executable, "-m", "awslambdaric", function.handler],
                cwd=function.root,
                env={**inherited, **function.environment, **own},
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGKILL),  # noqa: PLW1509 (one at a time)
            )
        log.info("function started", function=function.name, pid=self._process.pid)

    def _wait(self, invocation: Invocation, take_by: float) -> None:
        assert self._process is not None
        while not invocation.over.wait(LOOK_SECONDS):
            if self._process.poll() is not None and not invocation.over.is_set():
                raise CallFailed(self._lost())
            ends_at = invocation.ends_at
            if time.monotonic() > (take_by if ends_at is None else ends_at):
                self._end("ran into its time-out")
                self._back_off()
                what = "it was not imported" if ends_at is None else f"time-out after {self._function.timeout:.0f} s"
                raise CallFailed(what)

    def _lost(self) -> str:
        """The process has ended by itself: say how, and let the next one wait a little."""
        assert self._process is not None
        assert self._api is not None
        how = self._api.init_error or how_it_ended(self._process.returncode)
        log.warning("function died", function=self._function.name, how=how, again_in=self._delay)
        self._end(None)
        self._back_off()
        return how

    def _back_off(self) -> None:
        self._not_before = time.monotonic() + self._delay
        self._delay = min(self._delay * 2, LONGEST_DELAY)

    def _end(self, why: str | None) -> None:
        process, self._process = self._process, None
        api, self._api = self._api, None
        if process is not None:
            if why is not None:
                log.info("function ended", function=self._function.name, why=why)
            signal_group(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        if api is not None:
            api.close()
