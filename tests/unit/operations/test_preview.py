"""`millrace preview` on the repository's own stack files, with no server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from operations.cli import FAILED, cli
from operations.cli import preview as command
from operations.local.layout import REPOSITORY


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No local stack, no broker of the machine, no kubeconfig of the person who runs the tests."""
    monkeypatch.delenv("MILLRACE_CATALOG", raising=False)
    monkeypatch.setattr("operations.connections.STATE_DIRECTORY", tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    for path in REPOSITORY.glob("Pulumi*.yaml"):
        text = path.read_text().replace("https://rabbitmq.example.com:15671", "http://127.0.0.1:9")
        (tmp_path / path.name).write_text(text.replace("127.0.0.1:15672", "127.0.0.1:9").replace(":4566", ":9"))
    monkeypatch.setattr(command, "ROOT", tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["preview", *arguments])


def test_the_kubernetes_stack_is_told_in_json() -> None:
    report = json.loads(run("--stack", "kubernetes", "--json").stdout)
    kubernetes = report["servers"]["Kubernetes"]
    assert sorted(kubernetes["kinds"]["ScaledObject"]["create"]) == [
        f"millrace/worker-{name}" for name in ("analytics", "notifications", "signup", "workflow")
    ]
    assert kubernetes["kinds"]["Job"]["create"] == ["millrace/migrate-0123456789abcdef"]
    assert kubernetes["compared_with"] == "nothing: no `up` was run here"
    assert report["servers"]["RabbitMQ"]["kinds"]["vhost"]["create"] == ["millrace-kubernetes"]
    assert "password" in report["servers"]["RabbitMQ"]["kinds"]
    assert report["placeholders"] == ["databaseUrl", "kubeconfig"]


def test_people_read_a_table_per_server_and_a_sum() -> None:
    result = run("--stack", "kubernetes")
    assert result.exit_code == 0
    assert "Kubernetes, compared with nothing: no `up` was run here" in result.stdout
    assert "+millrace/worker-signup" in result.stdout
    assert (
        "not compared with RabbitMQ itself: RabbitMQ's management API at http://127.0.0.1:9 does not answer"
        in result.stdout
    )
    assert "placeholders stand for the secrets databaseUrl, kubeconfig" in result.stdout
    last = result.stdout.splitlines()[-1]
    assert last.startswith("stack kubernetes: ")
    assert last.endswith(" to create, 0 to change, 0 to delete, 0 unchanged")


def test_of_many_names_people_see_some_and_always_what_goes() -> None:
    names = [f"q{number}" for number in range(20)]
    *_, shown = command._row({"create": names, "change": [], "delete": ["old"], "stuck": [], "unchanged": 3})
    assert shown == "-old, " + ", ".join(f"+{name}" for name in names[:11]) + " and 9 more"


def test_a_stack_that_is_not_there_is_told() -> None:
    result = run("--stack", "nope")
    assert (result.exit_code, result.stderr.startswith("millrace: the stack 'nope' must have a file")) == (FAILED, True)


def test_wrong_settings_are_told(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.kubernetes.yaml"
    path.write_text(path.read_text().replace("millrace:podQuota: 60", "millrace:podQuota: 1"))
    result = run("--stack", "kubernetes")
    assert result.exit_code == FAILED
    assert "podQuota must be at least" in result.stderr


def test_a_running_local_stack_is_asked_where_it_is() -> None:
    admin = {"user": "somebody", "password": "something"}
    noted = {"management": "http://127.0.0.1:1", "admin": admin, "aws": {"endpoint": "http://127.0.0.1:2"}}
    assert command._running(noted) == {
        "endpoint": "http://127.0.0.1:1",
        "username": "somebody",
        "password": "something",
        "awsEndpoint": "http://127.0.0.1:2",
    }
    assert command._running(noted | {"aws": {}}).keys() == {"endpoint", "username", "password"}
    assert command._running({}) == {}
