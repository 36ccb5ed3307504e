"""The image without Docker: what the Dockerfile copies, .dockerignore heeded, and what it says of processes."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

#: Instructions that a file set does not depend on; what a RUN makes is told by `made`.
_OF_OTHERS = frozenset({"ARG", "LABEL", "RUN", "STOPSIGNAL"})


class NotUnderstood(Exception):
    """The Dockerfile has an instruction that is not assembled here."""


@dataclass
class Image:
    """A stage: its files below `root`, and how its processes are started."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    directory: str = "/"
    user: str = "0"
    start: dict[str, list[str]] = field(default_factory=dict)

    def files(self) -> list[str]:
        """The files that were copied from the repository, as paths in the image."""
        return sorted(str(file.relative_to(self.root)) for file in self.root.rglob("*") if file.is_file())

    def inside(self, text: str) -> str:
        """A setting as it is here: paths of the image begin at its root, those of the machine stay."""
        parts = [f"{self.root}{part}" if (self.root / part[1:]).exists() else part for part in text.split(":")]
        return ":".join(parts)


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Each instruction with its arguments, on one line."""
    lines = "\n".join(line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\n", " ", lines).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), rest.strip()


def assemble(repository: Path, target: Path, made: Mapping[str, Path]) -> Image:
    """The last stage of the repository's Dockerfile, below `target`; `made` has what a RUN makes, by its path there."""
    ignored = Ignored((repository / ".dockerignore").read_text(encoding="utf-8"))
    stages: dict[str, Image] = {}
    image = Image(target)
    for word, rest in instructions((repository / "Dockerfile").read_text(encoding="utf-8")):
        if word == "FROM":
            name = rest.split()[2] if " AS " in rest else "last"
            image = stages[name] = Image(target / name)
            image.root.mkdir(parents=True)
        elif word == "COPY":
            _copy(shlex.split(rest), repository, image, stages, ignored, made)
        elif word == "ENV":
            image.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word in {"ENTRYPOINT", "CMD"}:
            image.start[word] = json.loads(rest)
        elif word in {"WORKDIR", "USER"}:
            setattr(image, {"WORKDIR": "directory", "USER": "user"}[word], rest)
        elif word not in _OF_OTHERS:
            raise NotUnderstood(f"{word} {rest}")
    return image


def _copy(
    words: list[str],
    repository: Path,
    image: Image,
    stages: Mapping[str, Image],
    ignored: Ignored,
    made: Mapping[str, Path],
) -> None:
    flags = [word for word in words if word.startswith("--")]
    *sources, to = [word for word in words if not word.startswith("--")]
    target = image.root / to.lstrip("/")
    for source in sources:
        if not flags:
            _from_context(
                repository / source, repository, target / Path(source).name if to[-1] == "/" else target, ignored
            )
        elif len(flags) == 1 and flags[0].startswith("--from="):
            _from_stage(source, stages[flags[0].removeprefix("--from=")], target, made)
        else:
            raise NotUnderstood(f"COPY {' '.join(words)}")


def _from_context(source: Path, repository: Path, target: Path, ignored: Ignored) -> None:
    files = [source] if source.is_file() else [file for file in source.rglob("*") if file.is_file()]
    let_in = [file for file in files if not ignored.has(file.relative_to(repository).as_posix())]
    assert let_in, f"COPY {source}: not found, or kept out by .dockerignore"
    for file in let_in:
        place = target if source.is_file() else target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, place)


def _from_stage(source: str, stage: Image, target: Path, made: Mapping[str, Path]) -> None:
    if source in made:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(made[source])
    else:
        shutil.copytree(stage.root / source.lstrip("/"), target)


class Ignored:
    """The rules of .dockerignore: the last one that fits a path, or a folder above it, counts."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        self._rules = [(not line.startswith("!"), _pattern(line.removeprefix("!"))) for line in lines]

    def has(self, path: str) -> bool:
        """Whether the path is kept out."""
        places = [path, *map(str, PurePosixPath(path).parents)]
        fitting = [out for out, pattern in self._rules if any(pattern.fullmatch(place) for place in places)]
        return bool(fitting) and fitting[-1]


def _pattern(rule: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", rule.strip("/"))
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(known.get(part, re.escape(part)) for part in parts))
