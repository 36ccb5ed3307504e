"""The command: exit codes, messages and JSON shapes, without any server."""

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, insert, select, update

from operations.cli import COMMANDS, FAILED, INVALID, NOT_RUNNING, SUMMARIES, cli
from operations.cli.output import shown
from workers.tables import accepted, inbox, letters, metadata, outbox, retention

#: The open dead letters of the store that the tests look at.
DEAD = ["e-0", "e-1"]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def no_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No local stack and no settings of the person who runs the tests."""
    for name in ("BROKER_URL", "DATABASE_URL", "MONITORING_URL", "CATALOG"):
        monkeypatch.delenv(f"MILLRACE_{name}", raising=False)
    monkeypatch.setattr("operations.connections.STATE_DIRECTORY", tmp_path)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with two open dead letters of signup, one parked and one rejected."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("MILLRACE_DATABASE_URL", url)
    engine = create_engine(url)
    metadata.create_all(engine)
    rows = [
        letter("dead", "signup", "user.signed_up", body=b"\xff\x00"),
        letter("dead", "signup", "user.signed_up", stack="Traceback\n  boom"),
        letter("parked", None, "onboarding.completed"),
        letter("parked", None, "user.signed_up"),
        letter("rejected", None, None),
    ]
    with engine.begin() as connection:
        for number, row in enumerate(rows):
            connection.execute(insert(letters).values(row | {"letter_key": str(number), "event_id": f"e-{number}"}))
    engine.dispose()
    return url


def letter(kind: str, group: str | None, type_: str | None, **values: object) -> dict[str, object]:
    row: dict[str, object] = {
        "kind": kind,
        "state": "open",
        "group_name": group,
        "source": "/web",
        "type": type_,
        "generation": 0,
        "cause": "why",
        "error": "bad [red]thing",
        "attempts": 5,
        "headers": {},
        "routing_key": "k",
        "body": b'{"a": 1}',
        "received_at": 3.0,
    }
    return row | values


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, list(arguments), input=stdin)


def run_json(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_every_command_has_a_summary_and_a_module() -> None:
    assert list(COMMANDS) == list(SUMMARIES)
    for name in COMMANDS:
        result = run(name, "--help")
        assert result.exit_code == 0, result.output


def test_the_overview_names_all_commands() -> None:
    output = run("--help").output
    assert all(name in output for name in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("alerts",),
        ("verify",),
        ("why", "x"),
        ("reconcile",),
        ("dead-letters", "list"),
        ("parked", "list"),
        ("rejected", "list"),
        ("logs", "signup"),
        ("publish", "user.signed_up", "--data", '{"user_id": "1"}'),
    ],
)
def test_without_a_stack_each_says_what_to_do(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.exit_code, "make up" in result.stderr) == (NOT_RUNNING, True), result.output


@pytest.mark.parametrize(
    ("type_", "data", "named"),
    [
        ("user.signed_up", '{"email": "a@b"}', "data.user"),
        ("user.signed_up", '{"user_id": 5}', "data.user"),
        ("user.signed_up", '{"user_id": "1", "nope": 1}', "data.nope"),
        ("user.signed_up", "[1]", "data: must be a JSON object"),
        ("user.signed_up", "{", "data: must be JSON"),
        ("user.gone", "{}", "type: must be an event type"),
    ],
)
def test_an_invalid_event_is_refused_with_its_field(type_: str, data: str, named: str) -> None:
    result = run("publish", type_, "--data", data)
    assert result.exit_code == INVALID
    assert named in result.stderr
    assert "nothing was sent" in result.stderr


def test_an_invalid_line_is_named_and_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_BROKER_URL", "amqp://u:p@127.0.0.1:1/none")
    lines = '{"user_id": "1"}\n\n{"user_id": ""}\n'
    result = run("publish", "user.signed_up", "--data", "-", stdin=lines)
    assert result.exit_code == INVALID
    assert "line 3: data.user" in result.stderr


def test_an_id_cannot_go_with_many_events() -> None:
    assert run("publish", "user.signed_up", "--data", "-", "--id", "1", stdin="{}").exit_code == INVALID


def test_an_unreachable_broker_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_BROKER_URL", "amqp://u:p@127.0.0.1:1/none")
    result = run("publish", "user.signed_up", "--data", '{"user_id": "1"}')
    assert result.exit_code == FAILED
    assert "not confirmed" in result.stderr
    result = run("publish", "user.signed_up", "--data", "-", "--json", stdin='{"user_id": "1"}\n{"user_id": "2"}\n')
    assert result.exit_code == FAILED
    printed = json.loads(result.stdout)
    assert (printed["published"], len(printed["failed"])) == (0, 2)


@pytest.mark.usefixtures("store")
def test_letters_are_listed_oldest_first() -> None:
    found = run_json("dead-letters", "list")
    assert [one["event_id"] for one in found] == DEAD
    assert found[0]["cause"] == "why"
    assert [one["event_id"] for one in run_json("parked", "list")] == ["e-2", "e-3"]
    assert [one["event_id"] for one in run_json("rejected", "list")] == ["e-4"]
    assert run_json("dead-letters", "list", "--group", "analytics") == []
    assert len(run_json("dead-letters", "list", "--limit", "1")) == 1
    assert "bad [red]thing" in run("dead-letters", "list").output


@pytest.mark.usefixtures("store")
def test_a_letter_is_shown_with_its_bytes() -> None:
    first, second = (one["id"] for one in run_json("dead-letters", "list"))
    shown_letter = run_json("dead-letters", "show", str(first))
    assert (shown_letter["body"], shown_letter["body_base64"]) == (None, "/wA=")
    assert "boom" in run("dead-letters", "show", str(second)).output
    assert run("dead-letters", "show", "999").exit_code == FAILED
    assert run("rejected", "show", str(first)).exit_code == FAILED


@pytest.mark.usefixtures("store")
def test_discarding_asks_and_can_be_tried_first() -> None:
    assert run("dead-letters", "discard").exit_code == INVALID
    assert len(run_json("dead-letters", "discard", "--all", "--dry-run")["matched"]) == len(DEAD)
    assert run("dead-letters", "discard", "--all", stdin="n\n").exit_code == FAILED
    assert len(run_json("dead-letters", "list")) == len(DEAD)
    assert run_json("dead-letters", "discard", "--all", "--yes")["changed"] == len(DEAD)
    assert run_json("dead-letters", "list") == []
    assert len(run_json("dead-letters", "list", "--state", "discarded")) == len(DEAD)


@pytest.mark.usefixtures("store")
def test_rejected_ones_are_closed_by_a_person() -> None:
    [letter_] = run_json("rejected", "list")
    assert run("rejected", "discard").exit_code == INVALID
    assert run("rejected", "discard", "--all", stdin="n\n").exit_code == FAILED
    dead = run_json("dead-letters", "list")[0]["id"]
    assert run("rejected", "discard", str(dead), "--yes").exit_code == FAILED
    assert run_json("rejected", "list") == [letter_]
    assert run_json("rejected", "discard", str(letter_["id"]), "--yes")["changed"] == 1
    assert run_json("rejected", "list") == []
    assert [one["id"] for one in run_json("rejected", "list", "--state", "discarded")] == [letter_["id"]]
    assert len(run_json("dead-letters", "list")) == len(DEAD)


def test_a_letter_older_than_the_retention_is_not_replayed_and_the_others_are(store: str) -> None:
    engine = create_engine(store)
    with engine.begin() as connection:
        connection.execute(insert(retention).values(what="inbox/signup", removed_before=5.0, succeeded_at=9.0))
        young = connection.execute(select(letters.c.id).where(letters.c.event_id == "e-1")).scalar_one()
        connection.execute(update(letters).where(letters.c.id == young).values(received_at=6.0))
    engine.dispose()
    result = run("dead-letters", "replay", "--all", "--json")
    assert (result.exit_code, json.loads(result.stdout)["changed"]) == (FAILED, 1)
    assert "(event e-0 of /web, group signup) is older than the retention" in result.stderr
    assert [letter["event_id"] for letter in run_json("dead-letters", "list")] == ["e-0"]


def test_replaying_twice_sends_once(store: str) -> None:
    first = run_json("dead-letters", "list")[0]["id"]
    assert run_json("dead-letters", "replay", str(first))["changed"] == 1
    again = run("dead-letters", "replay", str(first), "--json")
    assert (again.exit_code, json.loads(again.stdout)["changed"]) == (1, 0)
    assert sent(store) == ["e-0"]


def test_only_what_a_group_takes_is_released(store: str) -> None:
    result = run("parked", "release", "--all", "--json")
    assert json.loads(result.stdout)["changed"] == 1
    assert "onboarding.completed stays parked" in result.stderr
    assert [one["event_id"] for one in run_json("parked", "list")] == ["e-2"]
    assert sent(store) == ["e-3"]


def sent(store: str) -> list[str]:
    engine = create_engine(store)
    with engine.connect() as connection:
        found = [row.event_id for row in connection.execute(outbox.select())]
    engine.dispose()
    return found


def test_why_prints_the_shape_that_scripts_rely_on(store: str) -> None:
    engine = create_engine(store)
    known = {"source": "/web", "event_id": "e-9", "type": "user.signed_up"}
    claim = {"fingerprint": "f", "state": "processed", "attempts": 1, "generation": 0, "owner": "o", "fence": 1}
    times = {"due_at": 1.0, "first_seen_at": 1.0, "updated_at": 1.0}
    with engine.begin() as connection:
        connection.execute(insert(accepted).values(**known, accepted_at=1.0))
        for group in ("signup", "analytics"):
            connection.execute(insert(inbox).values(**known, **claim, **times, group_name=group))
    engine.dispose()
    report = run_json("why", "e-9")
    assert (report["id"], report["type"], report["state"]) == ("e-9", "user.signed_up", "processed")
    assert set(report["groups"]) == {"signup", "analytics", "audit", "guide"}
    assert report["groups"]["audit"]["error"].startswith("where AWS is must be known")
    assert {"outcome", "attempts", "error"} <= set(report["groups"]["signup"])
    assert "processed" in run("why", "e-9").output
    assert run_json("why", "nobody")["state"] == "unknown"


def test_the_catalog_is_listed() -> None:
    assert {group["name"] for group in run_json("catalog")["groups"]} >= {"signup", "analytics"}
    assert "user.signed_up" in run("catalog").output


def test_a_log_is_printed_and_others_are_named(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "worker-signup.log").write_text("one\ntwo\n")
    assert run("logs", "signup", "-n", "1").output == "two\n"
    wrong = run("logs", "../secret")
    assert (wrong.exit_code, "worker-signup" in wrong.output) == (2, True)


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert shown("a\x1b[31mb\nc") == "a [31mb c"


@pytest.mark.parametrize("module", ["operations.cli.publish", "operations.cli.why"])
def test_quick_commands_load_nothing_heavy(module: str) -> None:
    heavy = ("celery", "pulumi", "flower", "httpx", "alembic", "rich", "kombu")
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cluster", "--full"], "--cluster runs every fault of the cluster as it is, leave --full out"),
        (["--samples", __file__], "--samples and --count go with --own"),
        (["--count", "SELECT 1"], "--samples and --count go with --own"),
    ],
)
def test_faults_that_make_no_sense_together_are_refused_before_anything_starts(arguments: list[str], said: str) -> None:
    found = CliRunner().invoke(cli, ["faults", *arguments])
    assert found.exit_code == INVALID
    assert said in found.stderr


def test_a_word_that_no_scenario_has_is_no_green_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = SimpleNamespace(layout=SimpleNamespace(root=tmp_path), groups=list, lanes=list)
    monkeypatch.setattr("operations.faults.run.running_world", lambda *_given, **_named: nullcontext(world))
    monkeypatch.setattr("operations.faults.run.versions", lambda _world: {})
    found = CliRunner().invoke(cli, ["faults", "--only", "full disk"])
    assert found.exit_code == INVALID
    assert "--only must have a word of a scenario's name, got none" in found.stderr
