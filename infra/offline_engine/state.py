"""The state of a stack: what it may have made, and its passwords; a file that only its owner reads."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from infra.offline_engine.errors import Busy, EngineError
from infra.offline_engine.recording import RANDOM_PASSWORD
from infra.offline_engine.resources import Resource

VERSION = 1
ONLY_OWNER = 0o700


@dataclass(frozen=True, kw_only=True)
class State:
    """What one stack may have made, in dependency order; written before anything is touched."""

    #: The broker's cluster, and the Kubernetes that something was made on.
    cluster: str = ""
    kubernetes: str = ""
    resources: tuple[Resource, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)

    def passwords(self) -> dict[str, str]:
        """The passwords made so far, by their resource's name."""
        return {one.name: one.inputs["result"] for one in self.resources if one.type == RANDOM_PASSWORD}


def state_file(stack: str, directory: Path) -> Path:
    """Where the state of a stack lies."""
    return directory / f"{stack}.json"


def load(stack: str, directory: Path) -> State | None:
    """The stack's state, None if it has none; raises EngineError if the file is of another version."""
    path = state_file(stack, directory)
    if not path.exists():
        return None
    raw = json.loads(path.read_text(encoding="utf-8"))
    if raw.get("version") != VERSION:
        raise EngineError(
            f"{path}: version must be {VERSION}, got {raw.get('version')!r}; use the engine that wrote it"
        )
    resources = tuple(Resource(**one | {"dependencies": tuple(one["dependencies"])}) for one in raw["resources"])
    at = raw.get("kubernetes", "")  # there was none before
    return State(cluster=raw["cluster"], kubernetes=at, resources=resources, outputs=raw["outputs"])


def save(state: State, stack: str, directory: Path) -> None:
    """Write the state in one step, readable by its owner only."""
    path = state_file(stack, directory)
    text = json.dumps({"version": VERSION, **asdict(state)}, indent=1)
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=f".{path.name}.")  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def forget(stack: str, directory: Path) -> None:
    """Remove the state of a destroyed stack."""
    state_file(stack, directory).unlink(missing_ok=True)


@contextmanager
def locked(stack: str, directory: Path) -> Iterator[None]:
    """Hold the stack's lock, which the system frees when the process ends; raises Busy."""
    directory.mkdir(mode=ONLY_OWNER, parents=True, exist_ok=True)
    with (directory / f"{stack}.lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise Busy(f"stack {stack!r} is being changed by process {holder}; wait until it is done") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
