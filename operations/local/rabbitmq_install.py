"""Finding RabbitMQ on this machine, or installing it without starting or disturbing a system broker."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from operations.local.errors import LocalError

PACKAGE = "rabbitmq-server"

_SERVER_IN_PACKAGES = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_POLICY = Path("/usr/sbin/policy-rc.d")
_DENY = "#!/bin/sh\n# Put here for one installation; removed after it.\nexit 101\n"


#: The path of another `rabbitmq-server` than the installed one.
CHOSEN = "MILLRACE_RABBITMQ_SERVER"


def find_server(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The script `rabbitmq-server`: the one that `MILLRACE_RABBITMQ_SERVER` names, else the installed one, or None.

    Raises:
        LocalError: the named one is not there or cannot be run.
    """
    chosen = environment.get(CHOSEN)
    if chosen:
        if not os.access(chosen, os.X_OK) or not Path(chosen).is_file():
            raise LocalError(f"{CHOSEN} must be the path of a rabbitmq-server script, got {chosen}: no such program.")
        return Path(chosen).absolute()
    # The one on a Debian PATH is a wrapper that only works as root and changes to the user rabbitmq.
    if _SERVER_IN_PACKAGES.exists():
        return _SERVER_IN_PACKAGES
    on_path = shutil.which("rabbitmq-server")
    return Path(on_path) if on_path else None


def can_install() -> bool:
    """Whether the system's package manager may be used."""
    return os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_server(on_progress: Callable[[str], None]) -> Path:
    """Install RabbitMQ from the system's package manager.

    Raises:
        LocalError: the package manager failed, or the package brought no server.
    """
    on_progress(f"installing {PACKAGE} from the system's package manager; this takes a minute")
    with services_stay_stopped():
        install_packages([PACKAGE])
    server = find_server()
    if server is None:
        raise LocalError(f"the package {PACKAGE} must bring rabbitmq-server, got none. Install RabbitMQ yourself.")
    return server


@contextmanager
def services_stay_stopped(policy: Path = _POLICY) -> Iterator[None]:
    """Keep packages that are installed meanwhile from starting their service; a policy that was there stays."""
    if policy.exists() or policy.is_symlink():
        kept = policy.with_name(f"{policy.name}.kept-by-millrace")
        policy.rename(kept)
    else:
        kept = None
    policy.write_text(_DENY)
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)
        if kept is not None:
            kept.rename(policy)


def install_packages(packages: list[str]) -> None:
    """Install packages with apt-get, after an update of its lists if the first try fails.

    Raises:
        LocalError: with the package manager's last words.
    """
    install = ["apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", *packages]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    last_words = ""
    for command in (install, ["apt-get", "update"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode == 0 and command is install:
            return
        last_words = (done.stderr or done.stdout).strip()[-800:]
    raise LocalError(
        f"apt-get must install {' '.join(packages)}, got:\n{last_words}\nInstall it by hand, then try again."
    )
