"""Samples for your own catalog: what is taken, and what is refused with its reason."""

import random
from pathlib import Path

import pytest
from millrace.catalog import CATALOG

from operations.faults.load import Plan
from operations.faults.own import SamplesError, own_subject, read_samples


def test_each_event_has_a_text_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text('{"type": "user.signed_up", "data": {"user_id": "u-{n}"}}\n\n')
    subject = own_subject(CATALOG, read_samples(file, CATALOG), None)
    made = subject.events(Plan(events=3, rate=1, behaviour={}), "p", random.Random(1))
    assert [(event.id, event.data["user_id"]) for event in made] == [(f"p-{n}", f"u-p-{n}") for n in range(3)]


def test_without_a_file_the_samples_of_up_are_taken() -> None:
    assert {sample.type for sample in read_samples(None, CATALOG)} == {"user.signed_up"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "line 1 must be"),
        ('{"type": "user.signed_up"}', "line 1 must be"),
        ('{"type": "no.such", "data": {}}', "no.such"),
        ('{"type": "user.signed_up", "data": {"nobody": 1}}', "is refused"),
        ("", "a sample event must be given"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text(line)
    with pytest.raises(SamplesError, match=said):
        read_samples(file, CATALOG)
