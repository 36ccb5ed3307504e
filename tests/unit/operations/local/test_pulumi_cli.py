"""Which engine is used, and what a `pulumi` program is told; the program is a script that notes it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from millrace.catalog import CATALOG
from millrace.declarations import Catalog
from millrace.topology import topology

from infra.offline_engine.state import state_file
from operations.local.applying import apply_topology
from operations.local.broker import Broker
from operations.local.engine import choose_engine
from operations.local.errors import LocalError
from operations.local.layout import REPOSITORY, Layout
from operations.local.pulumi_cli import VHOST_TYPE, PulumiCli

SMALLER = dataclasses.replace(CATALOG, groups=CATALOG.groups[:-1])
PASSWORD = "the administrator's secret"
OUTPUTS = {"vhost": "millrace-dev", "user_names": ["relay"], "users": {"relay": "a user's secret"}}
BROKER = Broker(
    kind="a",
    amqp="127.0.0.1:1",
    management_url="http://127.0.0.1:2",
    admin_user="root",
    admin_password=PASSWORD,
    ports={},
)

#: The interpreter behind the environment's: a clone may lie in a path with a space, which a line with #! cannot hold.
PROGRAM = f"""#!{Path(sys.executable).resolve()}
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
told = {{"argv": sys.argv[1:], "stdin": sys.stdin.read(), "env": dict(os.environ), "cwd": os.getcwd()}}
with (here / "told.jsonl").open("a") as file:
    file.write(json.dumps(told) + "\\n")
if "up" in sys.argv and (here / "fails").exists():
    print("error: no resource plugin 'rabbitmq' found", file=sys.stderr)
    sys.exit(255)
if "up" in sys.argv:
    backend = pathlib.Path(os.environ["PULUMI_BACKEND_URL"].removeprefix("file://"))
    checkpoint = backend / ".pulumi/stacks/millrace/dev.json"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.write_text("{VHOST_TYPE}")
    print("Updating (dev):\\n\\nResources:\\n    + 12 created\\n    3 unchanged\\n\\nDuration: 1s")
if "output" in sys.argv:
    print({json.dumps(OUTPUTS)!r})
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "a clone" / ".local")
    layout.make()
    return layout


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The vhosts that the broker is said to have, with their queues."""
    vhosts: dict[str, set[str]] = {}
    monkeypatch.setattr("operations.local.pulumi_cli.queues_of", lambda *arguments: vhosts.get(arguments[-1]))
    return vhosts


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment with a pulumi on PATH."""
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return {"PATH": str(program.parent), "PULUMI_CONFIG_PASSPHRASE": "another's", "PULUMI_BACKEND_URL": "s3://another"}


def told(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(environment["PATH"]) / "told.jsonl").read_text().splitlines()]


def chosen(layout: Layout, environment: Mapping[str, str], catalog: Catalog = CATALOG) -> PulumiCli | None:
    return choose_engine("dev", catalog, layout, environment)


def apply(layout: Layout, environment: Mapping[str, str]) -> tuple[Mapping[str, Any], list[str]]:
    said: list[str] = []
    return apply_topology("dev", BROKER, CATALOG, layout, said.append, chosen(layout, environment)), said


def made_offline(layout: Layout) -> None:
    layout.state.mkdir()
    state_file("dev", layout.state).write_text("{}")


def made_by_cli(layout: Layout, text: str = VHOST_TYPE) -> None:
    checkpoint = PulumiCli(stack="dev", directory=layout.pulumi, environment={}).checkpoint
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text(text)


def test_by_default_the_cli_is_used_where_it_is(layout: Layout, environment: dict[str, str]) -> None:
    assert chosen(layout, environment)
    assert chosen(layout, {"PATH": "/nowhere"}) is None
    assert chosen(layout, {**environment, "MILLRACE_ENGINE": "offline"}) is None
    assert chosen(layout, environment, SMALLER) is None


def test_the_engine_that_made_the_stack_goes_on(layout: Layout, environment: dict[str, str]) -> None:
    made_offline(layout)
    assert chosen(layout, environment) is None
    with pytest.raises(LocalError, match=r"was made by the offline engine .* got MILLRACE_ENGINE=pulumi"):
        chosen(layout, {**environment, "MILLRACE_ENGINE": "pulumi"})


def test_what_the_cli_made_is_not_taken_by_the_offline_engine(layout: Layout, environment: dict[str, str]) -> None:
    made_by_cli(layout)
    assert chosen(layout, environment)
    with pytest.raises(LocalError, match="was made by the pulumi CLI"):
        chosen(layout, {**environment, "MILLRACE_ENGINE": "offline"})
    with pytest.raises(LocalError, match="must be on PATH"):
        chosen(layout, {"PATH": "/nowhere"})
    with pytest.raises(LocalError, match="the catalog must be"):
        chosen(layout, environment, SMALLER)


def test_a_cli_that_made_nothing_may_be_left(layout: Layout, environment: dict[str, str]) -> None:
    made_by_cli(layout, "{}")
    assert chosen(layout, {**environment, "MILLRACE_ENGINE": "offline"}) is None


def test_another_engine_is_refused_by_name(layout: Layout) -> None:
    with pytest.raises(LocalError, match="MILLRACE_ENGINE must be auto, pulumi or offline, got 'terraform'"):
        chosen(layout, {"MILLRACE_ENGINE": "terraform"})


@pytest.mark.usefixtures("there")
def test_it_applies_and_gives_the_outputs(layout: Layout, environment: dict[str, str]) -> None:
    outputs, said = apply(layout, environment)
    assert outputs == OUTPUTS
    assert said[-1] == "topology: 12 created, 3 unchanged (pulumi CLI)"
    up = next(one for one in told(environment) if one["argv"][0] == "up")
    assert {"--yes", "--skip-preview", "--non-interactive", "--config-file"} < set(up["argv"])
    assert (up["cwd"], "--refresh" in up["argv"]) == (str(REPOSITORY), False)
    pack = Path(up["argv"][up["argv"].index("--policy-pack") + 1])
    assert (pack / "PulumiPolicy.yaml").is_file()


@pytest.mark.usefixtures("there")
def test_secrets_come_by_standard_input_and_file_only(layout: Layout, environment: dict[str, str]) -> None:
    apply(layout, environment)
    calls = told(environment)
    passphrase = (layout.pulumi / "passphrase").read_text()
    secrets = (PASSWORD, passphrase, *OUTPUTS["users"].values())  # type: ignore[attr-defined]
    assert not [one for one in calls for secret in secrets if secret in json.dumps([one["argv"], one["env"]])]
    assert [one["argv"][:4] for one in calls if one["stdin"] == PASSWORD] == [["config", "set", "--secret", "password"]]
    assert (layout.pulumi.stat().st_mode & 0o777, (layout.pulumi / "passphrase").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )


@pytest.mark.usefixtures("there")
def test_backend_and_configuration_are_its_own(layout: Layout, environment: dict[str, str]) -> None:
    committed = (REPOSITORY / "Pulumi.dev.yaml").read_text()
    apply(layout, environment)
    assert (REPOSITORY / "Pulumi.dev.yaml").read_text() == committed
    for one in told(environment):
        assert one["env"]["PULUMI_BACKEND_URL"] == f"file://{layout.pulumi}"
        assert one["env"]["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(layout.pulumi / "passphrase")
        assert "PULUMI_CONFIG_PASSPHRASE" not in one["env"]
        assert one["argv"][0] == "up" or Path(one["cwd"]).is_relative_to(layout.pulumi)


def test_a_failure_has_its_last_lines_and_a_way_out(
    layout: Layout, environment: dict[str, str], there: dict[str, set[str]]
) -> None:
    assert there == {}
    (Path(environment["PATH"]) / "fails").touch()
    with pytest.raises(LocalError, match="no resource plugin") as failed:
        apply(layout, environment)
    assert "pulumi plugin install" in str(failed.value)
    assert "MILLRACE_ENGINE=offline" in str(failed.value)


def test_a_vhost_made_elsewhere_is_not_taken(
    layout: Layout, environment: dict[str, str], there: dict[str, set[str]]
) -> None:
    there["millrace-dev"] = set()
    with pytest.raises(LocalError, match="must be this stack's"):
        apply(layout, environment)
    made_by_cli(layout)
    apply(layout, environment)


@pytest.mark.parametrize("lost", ["nothing", "a queue", "everything"])
def test_a_broker_that_lost_something_is_looked_at_first(
    layout: Layout, environment: dict[str, str], there: dict[str, set[str]], lost: str
) -> None:
    made_by_cli(layout)
    queues = {queue.name for queue in topology(CATALOG, "millrace-dev").queues}
    if lost != "everything":
        there["millrace-dev"] = queues if lost == "nothing" else queues - {CATALOG.groups[0].name}
    apply(layout, environment)
    up = next(one for one in told(environment) if one["argv"][0] == "up")
    assert ("--refresh" in up["argv"]) == (lost != "nothing")


@pytest.mark.usefixtures("there")
def test_the_lock_of_a_killed_run_is_lifted_unless_it_still_runs(layout: Layout, environment: dict[str, str]) -> None:
    lock = layout.pulumi / ".pulumi" / "locks" / "organization" / "millrace" / "dev" / "one.json"
    lock.parent.mkdir(parents=True)
    with subprocess.Popen([f"{environment['PATH']}/pulumi"], stdin=subprocess.PIPE) as running:
        lock.write_text(json.dumps({"pid": running.pid}))
        with pytest.raises(LocalError, match=f"is being changed by process {running.pid}"):
            apply(layout, environment)
    lock.write_text(json.dumps({"pid": os.getpid()}))
    apply(layout, environment)
    assert ["cancel", "--yes", "dev"] in [one["argv"][:3] for one in told(environment)]
