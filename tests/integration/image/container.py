"""Runs what is in the image as a cluster would: as nobody's user, where nothing but one folder can be written to."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from operations.local.layout import REPOSITORY
from operations.local.spawn import dies_with_parent
from tests.image_files import Image, assemble
from tests.real_servers import missing

VENV = "/opt/venv"
PINS = REPOSITORY / "requirements" / "image.txt"
#: A mount namespace in which all is read-only but one folder, and in it the image's user, who may do nothing more.
CONFINED = """
mount --bind "$1" "$1" && mount -o remount,bind,ro / && user="$2" && group="$3" && shift 3 &&
exec unshare --user --map-user="$user" --map-group="$group" "$@"
"""


def environment() -> Path:
    """A virtual environment with requirements/image.txt and nothing else; made once for each content of that."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "millrace" / "image"
    version = "{}.{}".format(*sys.version_info)
    venv = cache / f"{hashlib.sha256(PINS.read_bytes()).hexdigest()[:16]}-python{version}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{venv.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = venv / "ready"
        if not ready.exists():
            shutil.rmtree(venv, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
            install = [
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
                "--require-hashes",
                "--no-deps",
            ]
            pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), *install]
            subprocess.run([*pip, "--only-binary", ":all:", "-r", str(PINS)], check=True)
            ready.touch()
    return venv


@dataclass
class Container:
    """The image's files, and one folder that its processes may write to."""

    image: Image
    writable: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> Container:
        """The image assembled below a folder, read-only; skips the test where root cannot be confined."""
        image = assemble(REPOSITORY, folder / "image", {VENV: environment()})
        writable = folder / "tmp"
        writable.mkdir()
        container = cls(image, writable)
        if subprocess.run([*container._confinement(), "true"], capture_output=True, check=False).returncode:
            missing("what confines root (unshare)", "Run the test as another user, or where namespaces may be made.")
        for path in (image.root, *image.root.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)
        return container

    def start(self, *arguments: str, log: str, entrypoint: tuple[str, ...] = (), **env: str) -> subprocess.Popen[bytes]:
        """Start a process by the image's entry point, or another; it knows of no more than the image and `env` say."""
        command = [*(entrypoint or self.image.start["ENTRYPOINT"]), *arguments]
        with (self.writable / log).open("ab") as output:
            process = subprocess.Popen(
                [*self._confinement(), *command],
                cwd=self.image.inside(self.image.directory),
                env={**self._environment(), **env},
                stdout=output,
                stderr=output,
                preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 (a run that is killed leaves nothing)
            )
        self.processes.append(process)
        return process

    def run(self, *arguments: str, entrypoint: tuple[str, ...] = (), **env: str) -> None:
        """Run a process to its end, which must be a good one."""
        code = self.start(*arguments, log="run.log", entrypoint=entrypoint, **env).wait(120)
        assert code == 0, self.log("run.log")

    def log(self, name: str) -> str:
        """What a process has said so far."""
        return (self.writable / name).read_text()

    def contents(self) -> Mapping[str, tuple[int, int]]:
        """What is in the image now: if it is written to after all, this changes."""
        stats = {str(path): path.lstat() for path in self.image.root.rglob("*")}
        return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}

    def stop(self) -> None:
        """End every process, and let what is left be deleted."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        for path in (self.image.root, *self.image.root.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)

    def _environment(self) -> dict[str, str]:
        said = {name: self.image.inside(value) for name, value in self.image.environment.items()}
        return {**said, "TMPDIR": str(self.writable)}  # the volume that a deployment puts there

    def _confinement(self) -> list[str]:
        """By root only; others cannot write to the image anyway."""
        if os.geteuid() != 0:
            return []
        user, _, group = self.image.user.partition(":")
        namespace = ["unshare", "--mount", "--propagation", "private"]
        return [*namespace, "sh", "-c", CONFINED, "sh", str(self.writable), user, group]
