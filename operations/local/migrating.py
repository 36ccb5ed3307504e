"""The store's migrations, run beside the boot of the broker."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Self

from operations.local.errors import LocalError
from operations.local.layout import REPOSITORY


class Migration:
    """`python -m workers.migrate`, started at once; `finish` waits for it, and it does not outlive the block."""

    def __init__(self, database_url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workers.migrate"],
            cwd=REPOSITORY,
            env={**os.environ, "MILLRACE_DATABASE_URL": database_url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,  # a few lines at most: they fit into the pipe
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()

    def check(self) -> None:
        """Look whether it failed already; raises LocalError."""
        code = self._process.poll()
        if code:
            words = self._process.stderr.read() if self._process.stderr else b""
            text = words.decode("utf-8", "replace").strip()[-2000:]
            raise LocalError(
                f"the database's migrations must work, got exit code {code}:\n{text}\n"
                "Is the database there (MILLRACE_DATABASE_URL)? Then try again."
            )

    def finish(self, seconds: float = 120.0) -> None:
        """Wait for the end.

        Raises:
            LocalError: it failed or took too long, with its last words.
        """
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise LocalError(f"the database's migrations must end within {seconds:.0f} s, got no end") from None
        self.check()
