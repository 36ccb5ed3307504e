"""The store's migrations, run beside the boot of the broker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
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
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()

    def finish(self, say: Callable[[str], None], seconds: float = 120.0) -> None:
        """Wait for the end.

        Raises:
            LocalError: it failed or took too long, with its last words.
        """
        try:
            _, words = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise LocalError(f"the database's migrations must end within {seconds:.0f} s, got no end") from None
        if self._process.returncode != 0:
            text = words.decode("utf-8", "replace").strip()[-2000:]
            raise LocalError(
                f"the database's migrations must work, got:\n{text}\n"
                "Is the database there (MILLRACE_DATABASE_URL)? Then try again."
            )
        say("database: up to date")
