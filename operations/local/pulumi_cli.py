"""The local stack's topology applied by the pulumi CLI, with a backend and a configuration of its own."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from millrace.catalog import CATALOG
from millrace.topology import topology

from operations.local.broker import Broker
from operations.local.errors import LocalError
from operations.local.layout import REPOSITORY
from operations.local.localstack import ACCOUNT, DEFAULT_PORT, REGION, endpoint
from operations.local.management import queues_of
from operations.local.pulumi_command import PROGRAM, PulumiCommand
from operations.local.rabbitmq_node import write_secret

#: The URNs of what lies at AWS.
AT_AWS = "**aws:**"
#: What no stack may have; the offline engine asks the same rules.
GUARD_RAILS = REPOSITORY / "infra" / "guardrails"
VHOST_TYPE = "rabbitmq:index/vHost:VHost"


@dataclass(frozen=True, kw_only=True)
class PulumiCli:
    """One stack of the CLI; all that it keeps lies in the directory, readable by its owner only."""

    stack: str
    directory: Path
    environment: Mapping[str, str]

    @property
    def checkpoint(self) -> Path:
        """The CLI's state of the stack; a failed first run may leave one without resources."""
        return self.directory / ".pulumi" / "stacks" / "millrace" / f"{self.stack}.json"

    def made_it(self) -> bool:
        """Whether the CLI made the stack's vhost, or was about to."""
        return self.checkpoint.exists() and VHOST_TYPE in self.checkpoint.read_text(encoding="utf-8")

    @property
    def command(self) -> PulumiCommand:
        """The program, run with this stack's backend and passphrase."""
        return PulumiCommand(environment=self.environment, backend=self.directory, passphrase=self._passphrase)

    def up(self, broker: Broker, vhost: str, aws: Mapping[str, str]) -> str:
        """Apply the program; gives what changed. Without an endpoint in `aws`, what lies there is left as it is.

        Raises:
            LocalError: the CLI failed, with its last lines, or the vhost is somebody else's.
        """
        live, ours = queues_of(broker.management_url, broker.admin_user, broker.admin_password, vhost), self.made_it()
        if live is not None and not ours:
            raise LocalError(
                f"vhost {vhost!r} must be this stack's, got one that the broker has already while no state of it is in "
                f"{self.directory}.\nThe CLI would change its passwords. Remove the vhost or take another broker."
            )
        self._configure(broker, aws)
        # The CLI compares with its state only: a broker that lost something must be looked at first, and LocalStack,
        # which forgets everything when it ends.
        wanted = {queue.name for queue in topology(CATALOG, vhost).queues}
        there = "endpoint" in aws
        lost = ("--refresh", "--run-program") if ours and (there or not wanted <= (live or set())) else ()
        away = () if there else ("--exclude", AT_AWS)
        quiet = ("--yes", "--skip-preview", "--suppress-outputs", "--suppress-progress")
        given = ("--policy-pack", str(GUARD_RAILS), "--config-file", str(self._config.resolve()))
        return _counts(self._run("up", *quiet, *lost, *away, *given, at=REPOSITORY))

    def outputs(self) -> Mapping[str, Any]:
        """The vhost and every broker user's password."""
        return dict(json.loads(self._run("stack", "output", "--json", "--show-secrets")))

    @property
    def _passphrase(self) -> Path:
        return self.directory / "passphrase"

    @property
    def _config(self) -> Path:
        return self.directory / "project" / f"Pulumi.{self.stack}.yaml"

    def _configure(self, broker: Broker, aws: Mapping[str, str]) -> None:
        self._config.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        if not self._passphrase.exists():
            write_secret(self._passphrase, secrets.token_urlsafe(24))
        shutil.copyfile(REPOSITORY / "Pulumi.yaml", self._config.with_name("Pulumi.yaml"))
        self._free_lock()
        # Not in the repository: which stack is selected there, and its file with its passphrase, are a person's own.
        self._run("stack", "select", "--create", self.stack, of_stack=False)
        write_secret(self._config, "config: {}\n")
        plain = {"endpoint": broker.management_url, "username": broker.admin_user, "protect": "false"}
        plain |= {"aws": "true", "awsEndpoint": aws.get("endpoint", endpoint(DEFAULT_PORT))}
        plain |= {"awsRegion": aws.get("region", REGION), "awsAccount": aws.get("account", ACCOUNT)}
        self._run("config", "set-all", *(f"--plaintext={name}={value}" for name, value in plain.items()))
        self._run("config", "set", "--secret", "password", stdin=broker.admin_password)

    def _free_lock(self) -> None:
        """A killed run leaves its lock; no other `up` is at work, so only a CLI that still runs may hold it."""
        locks = [*(self.directory / ".pulumi" / "locks").glob(f"**/{self.stack}/*.json")]
        for lock in locks:
            if _runs(pid := json.loads(lock.read_text(encoding="utf-8"))["pid"]):
                raise LocalError(f"stack {self.stack!r} is being changed by process {pid}; wait until it is done")
        if locks:
            self._run("cancel", "--yes", self.stack, of_stack=False)

    def _run(self, *arguments: str, stdin: str = "", of_stack: bool = True, at: Path | None = None) -> str:
        of = ("--stack", self.stack) if of_stack else ()
        return self.command.run(*arguments, *of, at=at or self._config.parent, stdin=stdin)


def _runs(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):  # another program may have the number by now
        process = psutil.Process(pid)
        return bool(process.name().startswith(PROGRAM) and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _counts(text: str) -> str:
    """What the CLI counts at its end: "12 created, 3 unchanged"."""
    _, _, end = text.partition("\nResources:\n")
    return ", ".join(line.strip().lstrip("+-~ ") for line in end.partition("\n\n")[0].splitlines()) or "applied"
