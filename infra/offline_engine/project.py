"""What the project's files say of settings: Pulumi.yaml their defaults, Pulumi.STACK.yaml a stack's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.offline_engine.errors import EngineError
from infra.offline_engine.recording import PROJECT

ROOT = Path(__file__).parents[2]


def defaults(root: Path = ROOT) -> dict[str, str]:
    """Every setting that has a default, as the program is given it; raises EngineError."""
    declared = _read(root / "Pulumi.yaml").get("config", {})
    return {name: as_text(one["default"]) for name, one in declared.items() if "default" in one}


def of_stack(stack: str, root: Path = ROOT) -> dict[str, Any]:
    """A stack's own settings, as YAML has them: a secret one is a mapping with `secure`; raises EngineError."""
    path = root / f"Pulumi.{stack}.yaml"
    if not path.is_file():
        there = ", ".join(sorted(one.name.split(".")[1] for one in root.glob("Pulumi.*.yaml")))
        raise EngineError(f"the stack {stack!r} must have a file {path.name}, got none; there are {there}")
    settings = _read(path).get("config") or {}
    foreign = [name for name in settings if not name.startswith(f"{PROJECT}:")]
    if foreign:
        raise EngineError(f"{path.name}: settings must begin with {PROJECT}:, got {', '.join(foreign)}")
    own = {name.removeprefix(f"{PROJECT}:"): value for name, value in settings.items()}
    unknown = own.keys() - _read(root / "Pulumi.yaml").get("config", {}).keys()
    if unknown:
        raise EngineError(f"{path.name}: settings must be among those of Pulumi.yaml, got {', '.join(sorted(unknown))}")
    return own


def as_text(value: object) -> str:
    """A setting as Pulumi hands it to a program."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise EngineError(f"{path.name} must be a YAML file, got: {error}") from None
    if not isinstance(found, Mapping):
        raise EngineError(f"{path.name} must be a mapping, got {type(found).__name__}")
    return found
