"""One own RabbitMQ node: its files, and the two processes it consists of, all on loopback."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from operations.local.errors import LocalError
from operations.local.ports import LOOPBACK
from operations.local.process_spec import ProcessSpec

ADMIN = "millrace-admin"

_LOOPBACK_DISTRIBUTION = "-kernel inet_dist_use_interface {127,0,0,1}"


@dataclass(frozen=True, kw_only=True)
class NodePorts:
    """Where a node listens, on loopback only."""

    amqp: int
    management: int
    distribution: int
    epmd: int

    def purposes(self) -> dict[str, int]:
        """The ports by what they are for, in words."""
        return {
            "RabbitMQ's AMQP": self.amqp,
            "RabbitMQ's management API": self.management,
            "Erlang distribution": self.distribution,
            "Erlang port mapper": self.epmd,
        }


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node whose files all lie in one directory.

    Attributes:
        server: the script `rabbitmq-server`.
        settings: lines for its rabbitmq.conf besides our own.
    """

    directory: Path
    ports: NodePorts
    server: Path
    name: str = "millrace@localhost"
    settings: tuple[str, ...] = ()

    @property
    def password(self) -> str:
        """The administrator's password, made once per directory."""
        path = self.directory / "admin-password"
        if not path.exists():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_secret(path, secrets.token_urlsafe(24))
        return path.read_text()

    def prepare(self) -> None:
        """Write the node's files."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(self.directory / "rabbitmq.conf", self._configuration())
        (self.directory / "enabled_plugins").write_text("[rabbitmq_management].\n")

    def processes(self) -> tuple[ProcessSpec, ProcessSpec]:
        """The port mapper and the broker, in the order they start.

        Raises:
            LocalError: Erlang's port mapper is nowhere.
        """
        epmd = ProcessSpec(
            name="epmd",
            argv=(find_epmd(), "-address", LOOPBACK, "-port", str(self.ports.epmd)),
            cwd=str(self.directory),
            stop_rank=99,
            grace=5.0,
        )
        broker = ProcessSpec(
            name="broker",
            argv=(str(self.server),),
            cwd=str(self.directory),
            env=self._environment(),
            stop_rank=90,
            grace=30.0,
            waits_for=(self.ports.epmd,),
        )
        return epmd, broker

    def _configuration(self) -> str:
        return "\n".join(
            [
                f"listeners.tcp.1 = {LOOPBACK}:{self.ports.amqp}",
                f"management.tcp.ip = {LOOPBACK}",
                f"management.tcp.port = {self.ports.management}",
                f"default_user = {ADMIN}",
                f"default_pass = {self.password}",
                "log.console = true",
                "log.console.level = info",
                "log.file = false",
                "disk_free_limit.absolute = 100MB",
                *self.settings,
                "",
            ]
        )

    def _environment(self) -> dict[str, str]:
        home = _without_space(self.directory)
        return {
            "HOME": str(home),
            "ERL_EPMD_PORT": str(self.ports.epmd),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_AFLAGS": _LOOPBACK_DISTRIBUTION,
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_DIST_PORT": str(self.ports.distribution),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_LOG": "-color",
            # The script then becomes the Erlang machine instead of staying its parent: a signal reaches the right one.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


def control(broker: ProcessSpec, *arguments: str) -> None:
    """Run rabbitmqctl on a node's broker; raises CalledProcessError if it fails, TimeoutExpired after a minute."""
    tool = Path(broker.argv[0]).resolve().with_name("rabbitmqctl")
    subprocess.run(  # noqa: S603 - argv is ours
        [str(tool), *arguments], env={**os.environ, **broker.env}, check=True, capture_output=True, timeout=60
    )


def find_epmd() -> str:
    """Where Erlang's port mapper is.

    Raises:
        LocalError: it is not there.
    """
    on_path = shutil.which("epmd")
    if on_path:
        return on_path
    for found in sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"), reverse=True):
        return str(found)
    raise LocalError("Erlang's port mapper (epmd) must be on PATH, got nothing. Is Erlang installed completely?")


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, at once or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.touch(0o600)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _without_space(directory: Path) -> Path:
    """The directory itself, or a link to it whose path has no space: RabbitMQ's disk monitor fails on one."""
    directory = directory.resolve()
    if not any(character.isspace() for character in str(directory)):
        return directory
    link = _link(directory)
    if not link.is_symlink():
        link.symlink_to(directory)
    if link.lstat().st_uid != os.getuid() or link.resolve() != directory:
        raise LocalError(f"{link} must be a link to {directory}, got something else. Remove it, then try again.")
    return link


def remove_link(directory: Path) -> None:
    """Remove the link that stood for a node's directory, if there was one."""
    link = _link(directory.resolve())
    if link.is_symlink() and link.lstat().st_uid == os.getuid():
        link.unlink()


def _link(directory: Path) -> Path:
    digest = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"millrace-{os.getuid()}-{digest}"
