"""Runs that are interrupted, run at once, or meet what they did not make."""

import subprocess
import sys
from dataclasses import replace

import pulumi_rabbitmq as rabbitmq
import pytest
from millrace.topology import topology

from infra import offline_engine
from infra.__main__ import declare
from infra.offline_engine import Busy, ForeignStack, UnknownResource, state
from infra.offline_engine.recording import record
from infra.ownership import MadeOffline, refusing_offline
from infra.settings import Settings
from tests.integration.infra.conftest import StackUnderTest

SHOVEL = rabbitmq.ShovelInfoArgs(source_uri="amqp://", source_queue="a", destination_uri="amqp://")
#: Dies without a word after so many resources.
KILLED_RUN = """
import os, sys
from pathlib import Path
from infra import offline_engine
from infra.__main__ import declare
stack, url, user, directory, count = sys.argv[1:]
seen = []
def count_down(line):
    seen.append(line)
    if len(seen) >= int(count):
        os._exit(9)
offline_engine.up(
    stack, management_url=url, admin_user=user, admin_password=os.environ["ADMIN_PASSWORD"],
    state_dir=Path(directory), on_progress=count_down,
)
"""


@pytest.mark.parametrize("count", [1, 100])
def test_an_interrupted_run_is_resumed(whole_stack: StackUnderTest, count: int) -> None:
    stack, broker = whole_stack, whole_stack.broker
    arguments = [stack.name, broker.management_url, broker.admin_user, str(stack.state_dir), str(count)]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_RUN, *arguments],
        check=False,
        env={"ADMIN_PASSWORD": broker.admin_password, "PATH": ""},
    )
    assert killed.returncode == 9
    resumed = stack.up()
    assert resumed.total > 0
    assert {queue.name for queue in topology(stack.catalog, stack.vhost).queues} == stack.queues().keys()
    assert stack.up().total == 0


def test_a_second_run_at_the_same_time_is_refused(stack: StackUnderTest) -> None:
    with state.locked(stack.name, stack.state_dir), pytest.raises(Busy, match="is being changed by process"):
        stack.up()
    assert stack.up().total > 0


def test_an_unknown_resource_type_is_refused_before_anything_is_touched(
    stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline_engine.engine, "declare", lambda *_: rabbitmq.Shovel("one", vhost="v", info=SHOVEL))
    with pytest.raises(UnknownResource, match="rabbitmq:index/shovel:Shovel"):
        stack.up()
    assert stack.vhost not in {vhost["name"] for vhost in stack.get("vhosts")}


def test_a_vhost_made_by_others_is_refused_and_may_be_adopted(stack: StackUnderTest) -> None:
    stack.up()
    state.forget(stack.name, stack.state_dir)
    with pytest.raises(ForeignStack, match="was not made from this state"):
        stack.up()
    stack.up(adopt=True)
    assert stack.up().total == 0


def test_the_pulumi_cli_refuses_what_this_engine_made(stack: StackUnderTest) -> None:
    broker = stack.broker
    config = {"endpoint": broker.management_url, "username": broker.admin_user, "protect": "false"} | {"aws": "false"}
    config["password"] = broker.admin_password

    def as_the_cli_runs_it() -> None:
        declare(stack.catalog, refusing_offline(Settings.load()))

    assert record(as_the_cli_runs_it, stack=stack.name, config=config, known={}).resources
    stack.up()
    with pytest.raises(MadeOffline, match="must be managed by it"):
        record(as_the_cli_runs_it, stack=stack.name, config=config, known={})


def test_an_empty_vhost_is_taken(stack: StackUnderTest) -> None:
    stack.put(f"vhosts/{stack.vhost}", {})
    stack.up()
    assert stack.up().total == 0


def test_a_state_of_another_broker_is_not_used_here(stack: StackUnderTest) -> None:
    stack.up()
    known = state.load(stack.name, stack.state_dir)
    assert known is not None
    state.save(replace(known, cluster="another"), stack.name, stack.state_dir)
    with pytest.raises(ForeignStack):
        stack.up()
    with pytest.raises(ForeignStack, match="of another broker"):
        stack.destroy()
    state.save(known, stack.name, stack.state_dir)


def test_a_wiped_broker_gets_all_again_with_the_same_passwords(stack: StackUnderTest) -> None:
    stack.up()
    before = offline_engine.outputs(stack.name, stack.state_dir)
    stack.delete(f"vhosts/{stack.vhost}")
    for user in before["user_names"]:
        stack.delete(f"users/{user}")
    stack.up()
    assert offline_engine.outputs(stack.name, stack.state_dir) == before
    assert stack.up().total == 0
