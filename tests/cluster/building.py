"""Builds the control plane's programs from Go modules, once; a build that broke off leaves nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.programs import KEDA, KUBE, Correction, Module, Programs, cached

Say = Callable[[str], None]
#: A program that takes longer is spoken of so often.
SILENCE_SECONDS = 30.0
LAST_WORDS = 3000
#: Go's own switches: no C compiler needed, no other Go fetched, no module of the folders around.
GO_SETTINGS = {"GOFLAGS": "-mod=mod -buildvcs=false", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


class NotBuilt(Exception):
    """The programs could not be built; the message says what to do."""


def build(
    modules: tuple[Module, ...] = (KUBE, KEDA), *, say: Say, environment: Mapping[str, str] = os.environ
) -> Programs:
    """The programs, built if they are not there; cold it takes ten minutes and more on two cores. Raises NotBuilt."""
    wanted = cached(modules, environment)
    if wanted.is_built:
        say(f"the control plane is there: {wanted.folder}")
        return wanted
    go = _go(max(module.go_version() for module in modules), environment)
    wanted.folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=wanted.folder.parent))
    began = time.monotonic()
    try:
        for module in modules:
            _Build(go, partial, environment, say).run(module)
        _put(partial / "made", wanted.folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    say(f"built in {time.monotonic() - began:.0f} s: {wanted.folder}")
    return wanted


def _put(made: Path, folder: Path) -> None:
    """In one step; who was faster has made the same."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _go(needed: tuple[int, ...], environment: Mapping[str, str]) -> str:
    wanted = f"the control plane is built by Go {'.'.join(map(str, needed))} or newer"
    remedy = "install it from https://go.dev/dl and put it on PATH (Debian's own golang package is older)"
    program = shutil.which("go", path=environment.get("PATH"))
    if program is None:
        raise NotBuilt(f"{wanted}, got no go on PATH: {remedy}")
    told = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()
    found = re.fullmatch(r"go(\d+(?:\.\d+)*).*", told)
    if found is None or tuple(int(part) for part in found[1].split(".")) < needed:
        raise NotBuilt(f"{wanted}, got {told or 'no version'} at {program}: {remedy}")
    return program


@dataclass(frozen=True)
class _Build:
    """One run of it; what is made comes to lie in `partial/made`."""

    go: str
    partial: Path
    environment: Mapping[str, str]
    say: Say

    def run(self, module: Module) -> None:
        """Build a module's programs, and copy the data that goes along."""
        # Go may write to go.sum, and the one in the tree is not its to change.
        work, made = self.partial / module.name, self.partial / "made"
        shutil.copytree(module.folder, work)
        (made / "bin").mkdir(parents=True, exist_ok=True)
        packages = dict(module.programs) | {one.program: self._correct(one, work) for one in module.corrections}
        for name, package in packages.items():
            output = made / "bin" / name
            flags = ("-trimpath", "-ldflags", module.linker_flags(), "-o", str(output))
            self._timed(name, work, "build", *flags, package)
        for name, (source, folder) in module.data.items():
            # Modules lie read-only in Go's cache; copies of their files alone are ours to delete.
            shutil.copytree(self._folder(work, source) / folder, made / name, copy_function=shutil.copyfile)
            _make_writable(made / name)

    def _correct(self, one: Correction, work: Path) -> str:
        """A package of our own with the corrected file: Go takes no other text for one in its cache."""
        file = self._folder(work, one.module) / one.file
        text = file.read_text(encoding="utf-8")
        if text.count(one.old) != 1:
            raise NotBuilt(f"{file} must have {one.old!r} once, got it {text.count(one.old)} times")
        corrected = work / one.program / file.name
        corrected.parent.mkdir()
        corrected.write_text(text.replace(one.old, one.new), encoding="utf-8")
        return f"./{one.program}"

    def _folder(self, work: Path, module: str) -> Path:
        """Where a module lies in Go's cache."""
        self._run(work, "mod", "download", module)
        return Path(self._run(work, "list", "-m", "-f", "{{.Dir}}", module).strip())

    def _timed(self, name: str, work: Path, *arguments: str) -> None:
        self.say(f"building {name}")
        began = time.monotonic()
        self._run(work, *arguments, waiting=lambda: self.say(f"  … still {name}, {time.monotonic() - began:.0f} s"))
        self.say(f"built {name} in {time.monotonic() - began:.0f} s")

    def _run(self, work: Path, *arguments: str, waiting: Callable[[], None] = lambda: None) -> str:
        command = [self.go, *arguments]
        with subprocess.Popen(
            command,
            cwd=work,
            env={**self.environment, **GO_SETTINGS},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                output, errors = _finished(process, waiting)
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            raise NotBuilt(f"`go {arguments[0]}` must build {arguments[-1]}, got:\n{errors.strip()[-LAST_WORDS:]}")
        return output


def _finished(process: subprocess.Popen[str], waiting: Callable[[], None]) -> tuple[str, str]:
    while True:
        try:
            return process.communicate(timeout=SILENCE_SECONDS)
        except subprocess.TimeoutExpired:
            waiting()


def _make_writable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
