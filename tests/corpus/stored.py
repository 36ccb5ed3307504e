"""One stored envelope: the bytes of the wire, and what they must decode to for ever."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from millrace.declarations import Catalog, Payload
from millrace.envelope import fingerprint, seal

DIRECTORY = Path(__file__).parent
_TIME = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
_TRACE = f"00-{'ab' * 16}-{'cd' * 8}-01"
_VALUES: dict[str, Any] = {"string": "tëxt", "integer": 1, "number": 1.5, "boolean": True, "null": None}


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An envelope with its expected outcome: type, version, payload without what is default, and fingerprint."""

    type: str
    version: int
    wire: str
    payload: dict[str, Any]
    fingerprint: str


def present_release() -> str:
    """The version of this release."""
    return version("millrace")


def payloads(catalog: Catalog) -> list[type[Payload]]:
    """Every payload class of a catalog: its events', and its groups' own tasks'."""
    return [event.payload for event in catalog.events] + [task for group in catalog.groups for task in group.tasks]


def stored_by(release: Path) -> Iterator[tuple[str, Stored]]:
    """The name and the content of each file of a release."""
    for path in sorted(release.glob("*.json")):
        yield path.stem, Stored(**json.loads(path.read_text()))


def of_catalog(catalog: Catalog) -> Iterator[tuple[str, Stored]]:
    """For each payload class an envelope with all there can be, and one with only what must be."""
    for payload_class in payloads(catalog):
        for whole in (True, False):
            payload = payload_class.model_validate(_example(payload_class.model_json_schema(), whole))
            more = {"traceparent": _TRACE, "partition_key": "key"} if whole else {}
            envelope = seal(payload, source="/corpus", id=f"id-{whole}", time=_TIME, **more)
            name = f"{payload.event_type}.{payload.schema_version}.{'whole' if whole else 'bare'}"
            yield (
                name,
                Stored(
                    type=payload.event_type,
                    version=payload.schema_version,
                    wire=envelope.to_bytes().decode(),
                    payload=payload.model_dump(mode="json", exclude_defaults=True),
                    fingerprint=fingerprint(payload),
                ),
            )


def write(catalog: Catalog, directory: Path) -> list[Path]:
    """Write what is not there yet, change nothing that is; give the files written."""
    directory.mkdir(exist_ok=True)
    written = []
    for name, stored in of_catalog(catalog):
        path = directory / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(asdict(stored), indent=2, ensure_ascii=False) + "\n")
            written.append(path)
    return written


def _example(  # noqa: PLR0911 (one per kind of value)
    schema: dict[str, Any], whole: bool, definitions: dict[str, Any] | None = None
) -> Any:
    """A value for a JSON schema of pydantic's, with or without what may be left out."""
    known = definitions or schema.get("$defs", {})
    match schema:
        case {"examples": [first, *_]} | {"const": first} | {"enum": [first, *_]}:
            return first
        case {"$ref": reference}:
            return _example(known[reference.rpartition("/")[2]], whole, known)
        case {"anyOf": [first, *_]} | {"allOf": [first, *_]}:
            return _example(first, whole, known)
        case {"type": "object"}:
            chosen = schema.get("properties", {}) if whole else {}
            chosen = chosen or {name: schema["properties"][name] for name in schema.get("required", [])}
            return {name: _example(each, whole, known) for name, each in chosen.items()}
        case {"type": "array"}:
            return [_example(schema.get("items", {}), whole, known)]
        case {"format": "date-time"}:
            return _TIME.isoformat()
    return _VALUES[schema.get("type", "string")]
