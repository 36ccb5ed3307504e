"""What every release published still decodes: events wait in queues, stores and other people's code for years."""

import json
from pathlib import Path
from typing import ClassVar

import pytest
from millrace.catalog import CATALOG
from millrace.declarations import Catalog, Event, Payload
from millrace.envelope import Envelope, fingerprint, open_payload
from millrace.errors import UnknownSchemaVersion

from tests.corpus.stored import DIRECTORY, Stored, of_catalog, payloads, present_release, stored_by, write

RELEASES = sorted(path for path in DIRECTORY.iterdir() if path.is_dir() and path.name[0].isdigit())
#: Versions that were given up, with the reason: `{"type:version": "why nothing of it can still come"}`.
RETIRED: dict[str, str] = json.loads((DIRECTORY / "retired.json").read_text())
ALL = [pytest.param(stored, id=f"{release.name}-{name}") for release in RELEASES for name, stored in stored_by(release)]


def problem(stored: Stored, catalog: Catalog, retired: dict[str, str]) -> str | None:
    """Why a stored envelope has not its outcome."""
    key = f"{stored.type}:{stored.version}"
    try:
        payload = open_payload(Envelope.from_bytes(stored.wire.encode()), catalog)
    except UnknownSchemaVersion:
        if retired.get(key):
            return None
        return f"{key} would be a dead letter: keep it, or say in tests/corpus/retired.json why none of it can come"
    if payload.model_dump(mode="json", exclude_defaults=True) != stored.payload:
        return f"{key} must decode to {stored.payload}, got {payload!r}: give the class another schema_version"
    if fingerprint(payload) != stored.fingerprint:
        return f"{key} must keep its fingerprint: the same event from two releases would be a conflict"
    return None


@pytest.mark.parametrize("stored", ALL)
def test_every_stored_envelope_decodes_to_its_payload(stored: Stored) -> None:
    assert problem(stored, CATALOG, RETIRED) is None


def test_the_present_release_is_stored_whole() -> None:
    """Run `python -m tests.corpus` after adding an event; what is stored is never changed."""
    there = dict(stored_by(DIRECTORY / present_release()))
    wanted = dict(of_catalog(CATALOG))
    assert sorted(set(wanted) - set(there)) == [], "run `python -m tests.corpus` and commit what it wrote"
    covered = {(stored.type, stored.version) for stored in there.values()}
    assert {(each.event_type, each.schema_version) for each in payloads(CATALOG)} <= covered
    assert RELEASES


class Opened(Payload):
    """An account, as first published."""

    event_type: ClassVar[str] = "account.opened"
    name: str
    tags: tuple[str, ...] = ()


class OpenedLater(Payload):
    """Another optional field: the same version."""

    event_type: ClassVar[str] = "account.opened"
    name: str
    tags: tuple[str, ...] = ()
    colour: str | None = None


class OpenedOtherwise(Payload):
    """Another default: the same bytes mean something else."""

    event_type: ClassVar[str] = "account.opened"
    name: str
    tags: tuple[str, ...] = ("tëxt",)


class OpenedAnew(Payload):
    """Another version."""

    event_type: ClassVar[str] = "account.opened"
    schema_version: ClassVar[int] = 2
    full_name: str


@pytest.mark.parametrize(
    ("later", "retired", "problems"),
    [
        (Opened, {}, 0),
        (OpenedLater, {}, 0),
        (OpenedOtherwise, {}, 2),
        (OpenedAnew, {}, 2),
        (OpenedAnew, {"account.opened:1": "all queues were drained"}, 0),
    ],
)
def test_a_release_that_reads_old_envelopes_otherwise_is_found(
    tmp_path: Path, later: type[Payload], retired: dict[str, str], problems: int
) -> None:
    release = tmp_path / "1.0"
    assert len(write(Catalog(events=[Event(Opened)], groups=[]), release)) == 2
    catalog = Catalog(events=[Event(later)], groups=[])
    found = [problem(stored, catalog, retired) for _, stored in stored_by(release)]
    assert len([each for each in found if each]) == problems
    assert write(Catalog(events=[Event(Opened)], groups=[]), release) == []
