"""The zip that a function in Lambda is deployed as: this repository's code and, for AWS, the pinned libraries.

The same input gives the same bytes: names are sorted, times fixed, and what differs between two installations is left
out. A group whose handlers need more than its inbox promises is refused here, before anything is deployed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from millrace.declarations import Catalog

from operations.local.errors import LocalError
from operations.local.layout import REPOSITORY
from workers.handling import StoreTooWeak, load_handlers, require_level
from workers.stores.level import Level

#: Lambda's Python and platform: wheels only, nothing is built here.
PYTHON = "3.12"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
#: What differs between two installations of the same wheel, or is of no use in a function.
_LEFT_OUT = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
_LEFT_OUT_FOLDERS = frozenset({"__pycache__", "bin"})
#: The earliest time that a zip can say.
_TIME = (1980, 1, 1, 0, 0, 0)


class WrongPairing(LocalError):
    """A function's handlers need an inbox that it does not have."""


class NotPackaged(LocalError):
    """The libraries of a function could not be had."""


@dataclass(frozen=True)
class Package:
    """One zip; `database` is for groups whose inbox is in PostgreSQL, `libraries` says that it runs by itself."""

    database: bool
    libraries: bool = True

    @property
    def name(self) -> str:
        """The file's name."""
        return f"functions{'-database' if self.database else ''}{'' if self.libraries else '-here'}.zip"

    @property
    def requirements(self) -> Path:
        """The pins of its libraries."""
        return REPOSITORY / "requirements" / f"lambda{'-database' if self.database else ''}.txt"


def packages_of(catalog: Catalog, *, libraries: bool = True) -> tuple[Package, ...]:
    """The zips that a catalog's functions need; those of other people's code are in the smaller one."""
    needed = {group.database for group in catalog.lambda_groups} | {False}
    return tuple(Package(database, libraries) for database in sorted(needed))


def require_pairing(catalog: Catalog, handlers: str = "workers.handlers") -> None:
    """Raise WrongPairing that names each handler which needs more than its group's inbox promises."""
    for group in catalog.lambda_groups:
        level = Level.TRANSACTIONAL if group.database else Level.FENCED
        try:
            require_level(load_handlers(handlers, group).values(), level)
        except StoreTooWeak as error:
            raise WrongPairing(
                f"function {group.name} has its inbox in DynamoDB, which is FENCED: {error.handlers}; declare the "
                f"group with database=True, or the handler with needs=Level.FENCED if it uses no database"
            ) from error


def build(package: Package, directory: Path, cache: Path) -> Path:
    """Write the zip into a directory; libraries are kept in `cache`. Raises NotPackaged."""
    directory.mkdir(parents=True, exist_ok=True)
    files = dict(_own_files())
    if package.libraries:
        files |= dict(_files(_libraries(package, cache)))
    target = directory / package.name
    unfinished = target.with_suffix(".new")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name].read_bytes())
    return unfinished.replace(target)


def _own_files() -> Iterator[tuple[str, Path]]:
    for folder, of in (("millrace", REPOSITORY / "shared"), ("workers", REPOSITORY)):
        for path in (of / folder).rglob("*"):
            if path.suffix in (".py", ".typed") and "__pycache__" not in path.parts:
                yield path.relative_to(of).as_posix(), path


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    for path in directory.rglob("*"):
        inside = path.relative_to(directory)
        if path.is_file() and path.name not in _LEFT_OUT and not _LEFT_OUT_FOLDERS.intersection(inside.parts):
            yield inside.as_posix(), path


def _libraries(package: Package, cache: Path) -> Path:
    """The installed libraries, from the cache if the pins are those of the last time."""
    digest = hashlib.sha256(package.requirements.read_bytes()).hexdigest()[:16]
    ready = cache / f"{package.requirements.stem}-{digest}"
    if ready.exists():
        return ready
    unfinished = ready.with_suffix(".new")
    platforms = [part for each in PLATFORMS for part in ("--platform", each)]
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--require-hashes", "--no-deps", "--no-compile", "--only-binary=:all:", "--implementation", "cp"),
        *("--python-version", PYTHON, *platforms, "--upgrade", "--target", str(unfinished)),
        *("-r", str(package.requirements)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (argv is ours)
    if done.returncode:
        raise NotPackaged(
            f"{package.requirements.name} could not be installed for Lambda:\n{done.stderr.strip()[-2000:]}"
        )
    return unfinished.replace(ready)
