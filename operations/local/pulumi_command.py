"""Running the pulumi CLI as a plain program."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from operations.local.errors import LocalError

PROGRAM = "pulumi"
LAST_LINES = 15

#: What a person may have set for stacks of their own.
INTERFERING = frozenset({"PULUMI_CONFIG_PASSPHRASE", "PULUMI_STACK"})


@dataclass(frozen=True, kw_only=True)
class PulumiCommand:
    """The CLI with a backend and a passphrase file; secrets reach it by files and standard input only."""

    environment: Mapping[str, str]
    backend: Path
    passphrase: Path

    def program(self) -> str | None:
        """Where the CLI is, None if it is not on PATH."""
        return shutil.which(PROGRAM, path=self.environment.get("PATH"))

    def run(self, *arguments: str, at: Path, stdin: str = "") -> str:
        """Run it in a directory; gives its standard output.

        Raises:
            LocalError: it failed, with its last lines.
        """
        command = [self.program() or PROGRAM, *arguments, "--non-interactive", "--color", "never"]
        try:
            done = subprocess.run(  # noqa: S603
                command, cwd=at, env=self._environment(), input=stdin, capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise LocalError(f"the pulumi CLI must be startable, got: {error}") from error
        if done.returncode:
            raise LocalError(_said(" ".join([PROGRAM, *arguments[:2]]), done))
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {name: value for name, value in self.environment.items() if name not in INTERFERING} | {
            "PULUMI_BACKEND_URL": f"file://{self.backend.resolve()}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.passphrase.resolve()),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            # Each is the whole state; the broker's data, which they belong to, has no copies either.
            "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "1",
        }


def _said(command: str, done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-LAST_LINES:]
    tail = "\n".join(f"    {line}" for line in lines) or "    (it said nothing)"
    return (
        f"`{command}` must succeed, got exit code {done.returncode}:\n{tail}\n"
        "If a plugin is missing: `pulumi plugin install`. A stack that does not exist yet can be made without the CLI: "
        "MILLRACE_ENGINE=offline. Else correct the reason, then try again."
    )
