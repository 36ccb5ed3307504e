"""`python -m tests.newer_rabbitmq`: make a newer Debian's RabbitMQ, once; prints where its server is."""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from operations.local.errors import LocalError
from operations.local.layout import REPOSITORY
from operations.local.rabbitmq_install import PACKAGE, can_install, install_packages

BROKERS = REPOSITORY / ".local" / "brokers"
SUITE = "sid"
PROGRAMS = ("rabbitmq-server", "rabbitmqctl")

# A bind mount of its /usr in an own mount namespace, instead of a chroot: all else of the machine stays in its place
# (the node's directory, /proc, /dev, /etc/hosts), the process keeps its id, and the mount ends with the last process.
WRAPPER = """#!/bin/sh
case "$HOME/" in /usr/*) echo "HOME must not be below /usr, got $HOME" >&2; exit 1;; esac
exec unshare --mount --propagation private sh -c '
    mount --bind "$1" /usr && program="$2" && shift 2 && exec "/usr/lib/rabbitmq/bin/$program" "$@"
' sh "$(dirname "$(readlink -f "$0")")/root/usr" "$(basename "$0")" "$@"
"""


def newer_server(suite: str, brokers: Path = BROKERS) -> Path:
    """The script `rabbitmq-server` of a Debian suite; its folder is made if it is not there yet.

    Raises:
        LocalError: no root, no apt-get, another layout than Debian's, or debootstrap failed.
    """
    if not can_install():
        raise LocalError("a newer RabbitMQ needs root and apt-get on Debian, got neither or one. Run it as root.")
    if not Path("/lib").is_symlink():
        raise LocalError("/lib must be a link to /usr/lib (Debian 12 and newer), got a directory.")
    folder = brokers / suite
    if not (folder / "root" / "usr" / "lib" / "rabbitmq" / "bin" / PROGRAMS[0]).exists():
        _make(folder, suite)
    for program in PROGRAMS:
        wrapper = folder / program
        wrapper.write_text(WRAPPER)
        wrapper.chmod(0o755)
    return folder / PROGRAMS[0]


def _make(folder: Path, suite: str) -> None:
    if shutil.which("debootstrap") is None:
        install_packages(["debootstrap"])
    folder.mkdir(parents=True, exist_ok=True)
    mirror = debian_mirror()
    print(f"making {folder} from Debian's {suite}: 400 MB, some minutes, once", file=sys.stderr, flush=True)
    shutil.rmtree(folder / "root", ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=folder))
    try:
        _debootstrap(partial, suite, mirror)
        partial.chmod(0o755)
        partial.rename(folder / "root")
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _debootstrap(target: Path, suite: str, mirror: str) -> None:
    # It takes no path with a space, hence the mount; and what it mounts itself (/proc) is gone with the namespace.
    with tempfile.TemporaryDirectory() as place:
        options = ["--variant=minbase", f"--include={PACKAGE}", suite, place, mirror]
        script = 'mount --bind "$1" "$2" && shift 2 && exec debootstrap "$@"'
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", str(target), place]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last_words = (done.stdout + done.stderr).strip()[-800:]
        raise LocalError(f"debootstrap must make {suite} from {mirror}, got:\n{last_words}")


def debian_mirror() -> str:
    """Where this machine takes Debian's own packages from, as its apt sources say.

    Raises:
        LocalError: they name no mirror of the release that runs here.
    """
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    form = ["--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"]
    targets = subprocess.run(["apt-get", "indextargets", *form], capture_output=True, text=True, check=False)
    for line in targets.stdout.splitlines():
        found, component, url = line.split(maxsplit=2)
        if (found, component) == (release, "main"):
            return url
    raise LocalError(f"apt's sources must name a mirror of {release or 'Debian'}, got none")


def main() -> int:
    """Print the path of its rabbitmq-server."""
    parser = argparse.ArgumentParser(prog="python -m tests.newer_rabbitmq", description=__doc__)
    parser.add_argument("--suite", default=SUITE, help=f"Debian's suite, by default {SUITE}")
    try:
        print(newer_server(parser.parse_args().suite))
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
