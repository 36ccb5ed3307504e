"""What `up` would make, told from a stack's file where no server answers."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.offline_engine import guarding
from infra.offline_engine import state as stored
from infra.offline_engine.errors import AgainstTheRules, EngineError
from infra.offline_engine.kind import Standing
from infra.offline_engine.project import ROOT, as_text, defaults, of_stack
from infra.offline_engine.sides import Where
from infra.offline_engine.state import State
from infra.offline_engine.surveying import Survey, kubeconfig_file, settings_of, survey
from infra.refusal import Refused
from tests.unit.infra.kubernetes.stack import SMALL

#: Nobody listens there, and nobody has to be asked for the name.
NOWHERE = {"endpoint": "http://127.0.0.1:9"}
CONTEXT = "production"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The project's files, to be changed."""
    for path in ROOT.glob("Pulumi*.yaml"):
        shutil.copy(path, tmp_path)
    return tmp_path


def look(root: Path, stack: str = "kubernetes", **more: Any) -> Survey:
    nowhere = {"KUBECONFIG": str(root / "none")}
    options: dict[str, Any] = {"catalog": SMALL, "root": root, "more": NOWHERE, "environment": nowhere}
    return survey(stack, state_dir=root / "state", **options | more)


def put(root: Path, old: str, new: str) -> None:
    path = root / "Pulumi.kubernetes.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_without_a_server_and_without_a_state_all_would_be_created(root: Path) -> None:
    found = look(root)
    assert [part.where for part in found.parts] == [Where.BROKER, Where.KUBERNETES]
    assert {step.standing for part in found.parts for step in part.work.steps} == {Standing.ABSENT}
    assert {part.compared_with for part in found.parts} == {"nothing: no `up` was run here"}
    assert "does not answer" in found.parts[0].problem
    assert "none must be a kubeconfig" in found.parts[1].problem
    assert found.placeholders == ("databaseUrl", "kubeconfig")


def test_without_a_server_it_is_compared_with_the_last_up(root: Path) -> None:
    declared = tuple(step.resource for part in look(root).parts for step in part.work.steps)
    (changed, *rest), gone = declared[1:], replace(declared[0], name="gone", urn="gone", inputs={"name": "gone"})
    before = State(resources=(gone, replace(changed, inputs={**changed.inputs, "tags": ["other"]}), *rest))
    (root / "state").mkdir()
    stored.save(before, "kubernetes", root / "state")
    found = look(root)
    standing = {step.resource.urn: step.standing for part in found.parts for step in part.work.steps}
    assert standing[declared[0].urn] is Standing.ABSENT
    assert standing[changed.urn] is Standing.WRONG
    assert {standing[one.urn] for one in rest} == {Standing.RIGHT}
    assert [one.name for part in found.parts for one in part.work.removals] == ["gone"]
    assert {part.compared_with for part in found.parts} == {"the state of the last `up`"}


def test_a_secret_in_the_file_has_a_placeholder_and_the_broker_is_not_asked_with_it(root: Path) -> None:
    put(root, "config:\n", "config:\n  millrace:password:\n    secure: v1:abc\n")
    found = look(root)
    assert found.placeholders == ("databaseUrl", "kubeconfig", "password")
    assert found.parts[0].problem == "the setting password is a secret that cannot be read here"


def test_what_the_program_refuses_is_refused(root: Path) -> None:
    put(root, "@sha256:", ":latest-")
    with pytest.raises(Refused, match="workerImage must be an image by digest"):
        look(root)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("millrace:protect: true", "millrace:protect: maybe", "protect"),
        ("millrace:podQuota: 60", "millrace:podQuote: 60", "among those of Pulumi.yaml, got podQuote"),
        ("millrace:podQuota: 60", "podQuota: 60", "must begin with millrace:, got podQuota"),
        ("millrace:podQuota: 60", "millrace:podQuota:\n    secure: v1:abc", "may be secret, got podQuota"),
        ("config:", "config: [", "must be a YAML file"),
    ],
)
def test_a_wrong_file_is_told(root: Path, old: str, new: str, reason: str) -> None:
    put(root, old, new)
    with pytest.raises(EngineError, match=reason):
        look(root)


def test_a_stack_without_a_file_is_told(root: Path) -> None:
    with pytest.raises(
        EngineError, match=r"must have a file Pulumi\.nope\.yaml, got none; there are aws, dev, kubernetes"
    ):
        of_stack("nope", root)
    (root / "Pulumi.text.yaml").write_text("text")
    with pytest.raises(EngineError, match="must be a mapping, got str"):
        of_stack("text", root)


SECRET = "e2e-token-of-somebody"
TEXT = f"""apiVersion: v1
kind: Config
current-context: other
contexts: [{{name: other, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "https://127.0.0.1:9"}}}}]
users: [{{name: u, user: {{token: {SECRET}}}}}]
"""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TEXT, "the current context of .* must be 'production', got 'other'"),
        (TEXT + "\t- no: [yaml", "must be a kubeconfig, got a ScannerError"),
        (f"text\n{SECRET}", "must be a kubeconfig, got"),
        (f"{SECRET}" * 500, "must be the text of one, or the path of a file that is there, got neither"),
        (f"/{SECRET}", "must be the text of one, or the path of a file that is there, got neither"),
        (f'{{"users": "{SECRET}"}}', "must be a kubeconfig, got"),
    ],
)
def test_a_kubeconfig_s_text_is_read_and_never_shown(root: Path, text: str, problem: str) -> None:
    at_kubernetes = look(root, more={**NOWHERE, "kubeconfig": text}).parts[1]
    assert re.search(problem, at_kubernetes.problem), at_kubernetes.problem
    assert SECRET not in at_kubernetes.problem


def test_a_kubeconfig_s_text_is_kept_for_its_owner_and_not_for_long(tmp_path: Path) -> None:
    with kubeconfig_file(TEXT) as path:
        assert path.read_text() == TEXT
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()
    (tmp_path / "config").write_text(TEXT)
    with kubeconfig_file(str(tmp_path / "config")) as path:
        assert path == tmp_path / "config"
    assert path.exists()


def test_settings_are_text_as_pulumi_has_them() -> None:
    assert [as_text(one) for one in (True, False, 3, "x")] == ["true", "false", "3", "x"]
    assert defaults()["kubernetes"] == "false"
    config, _ = settings_of("kubernetes", ROOT, {"podQuota": "99"})
    assert (config["kubernetes"], config["podQuota"]) == ("true", "99")


def test_only_secrets_that_the_stack_uses_are_spoken_of() -> None:
    assert settings_of("dev", ROOT, {})[1] == ("functionDatabaseUrl",)
    assert settings_of("dev", ROOT, {"functionDatabaseUrl": "x"})[1] == ()


def test_what_the_guard_rails_forbid_is_not_shown_as_if_it_could_be_made(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "violations", lambda _resources: ("queue x: must have dead letters",))
    with pytest.raises(AgainstTheRules, match="queue x"):
        look(root)
