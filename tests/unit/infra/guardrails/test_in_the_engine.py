"""The offline engine refuses what is against the rules before it touches anything."""

from pathlib import Path

import pytest
from millrace import topology
from millrace.catalog import CATALOG

from infra import offline_engine
from infra.offline_engine import AgainstTheRules, BrokerProblem, state

#: Nothing answers there: whoever asks it first fails otherwise.
NOWHERE = {"management_url": "http://127.0.0.1:1", "admin_user": "guest", "admin_password": "opensesame"}


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that forgot the dead letters of its groups."""
    monkeypatch.setattr(topology, "group_policy", lambda _group: {"delivery-limit": 20})


@pytest.mark.usefixtures("careless")
def test_up_refuses_and_touches_nothing(tmp_path: Path) -> None:
    with pytest.raises(AgainstTheRules) as refused:
        offline_engine.up("test", state_dir=tmp_path, **NOWHERE)  # type: ignore[arg-type]
    assert {one.resource.name for one in refused.value.violations} == {group.name for group in CATALOG.groups}
    assert "signup (broker-dead-letters): queue 'signup' has no dead letters: give it" in str(refused.value)
    assert state.load("test", tmp_path) is None


@pytest.mark.usefixtures("careless")
def test_preview_refuses_too(tmp_path: Path) -> None:
    with pytest.raises(AgainstTheRules, match="nothing was touched"):
        offline_engine.preview("test", state_dir=tmp_path, **NOWHERE)  # type: ignore[arg-type]


def test_a_good_program_gets_as_far_as_the_broker(tmp_path: Path) -> None:
    with pytest.raises(BrokerProblem):
        offline_engine.up("test", state_dir=tmp_path, **NOWHERE)  # type: ignore[arg-type]
