"""The AWS door of a whole local stack: the guide's producer and its consumer as they are written there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from millrace.catalog import CATALOG

from operations.local.layout import REPOSITORY, Layout
from operations.local.localstack import credentials
from operations.local.stack import up
from operations.local.stack_record import StackRecord
from tests.integration.aws.conftest import Millrace
from tests.integration.aws.reports import settled
from tests.integration.workers.stack import until
from tests.localstack_server import Aws
from tests.real_servers import missing

pytestmark = [pytest.mark.long, pytest.mark.timeout(300), pytest.mark.usefixtures("record")]
AWS_SDK = "aws-sdk@2.1693.0"
PRODUCER = REPOSITORY / "tests" / "guide" / "producer.js"


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """aws-sdk 2, which the guide's producer requires."""
    npm = shutil.which("npm")
    if npm is None:
        missing("Node with npm", "`make test` as root installs it; else install nodejs and npm.")
    directory: Path = tmp_path_factory.mktemp("node")
    command = [str(npm), "install", "--no-audit", "--no-fund", "--no-save", "--prefix", str(directory), AWS_SDK]
    subprocess.run(command, check=True, capture_output=True, cwd=directory)
    return directory / "node_modules"


def published_by_the_guide(record: StackRecord, node_modules: Path) -> str:
    """Run the producer as it is written in the guide; all else is in its environment. Gives SNS's message id."""
    preload = REPOSITORY / "localstack" / "aws-sdk-endpoint.cjs"
    script = node_modules.parent / "producer.js"
    shutil.copy(PRODUCER, script)
    told = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **credentials(record.aws["account"]),
        "AWS_ENDPOINT_URL": record.aws["endpoint"],
        "NODE_OPTIONS": f'-r "{preload}"',
    }
    done = subprocess.run(["node", str(script)], env=told, capture_output=True, text=True, check=True)
    assert "Message published:" in done.stdout, done.stderr
    return done.stdout.split()[-1]


def test_the_guides_sign_up_is_processed_once_by_each_group_and_printed_by_its_consumer(
    record: StackRecord, node_modules: Path, millrace: Millrace, layout: Layout
) -> None:
    event_id = published_by_the_guide(record, node_modules)
    report = settled(millrace, event_id, groups=("signup", "analytics", "audit"))
    assert (report["type"], report["source"], report["state"]) == ("user.signed_up", "/sns/MyTopic", "processed")
    assert [report["groups"][name]["attempts"] for name in ("signup", "analytics", "audit")] == [1, 1, 1]
    consumer = layout.log("function-guide")
    until(lambda: "New signup: 12345" in consumer.read_text(), seconds=60, what="the line of the guide's consumer")
    assert consumer.read_text().count("New signup: 12345") == 1
    assert layout.log("function-audit").read_text().count('"outcome":"processed"') >= 1


@pytest.mark.parametrize("door", ["broker", "sns"])
def test_an_event_reaches_every_group_by_either_door(millrace: Millrace, door: str) -> None:
    data = json.dumps({"user_id": f"by-{door}"})
    event_id = millrace("publish", "user.signed_up", "--data", data, "--door", door)["id"]
    report = settled(millrace, event_id, groups=("signup", "analytics", "audit"))
    assert report["state"] == "processed"


def test_what_a_topic_should_not_have_been_given_is_rejected_with_its_reason(
    record: StackRecord, millrace: Millrace
) -> None:
    aws = Aws(record.aws["endpoint"], record.aws["account"])
    with closing(aws.client("sns")) as sns:
        sns.publish(TopicArn="arn:aws:sns:us-east-1:123456789012:MyTopic", Message='{"eventType": "USER_SIGNUP"}')
    letters = until(lambda: millrace("rejected", "list"), seconds=30, what="the rejected letter")
    assert [(letter["cause"], letter["error"].partition(":")[0]) for letter in letters] == [("invalid", "data.user_id")]
    dead = until(lambda: millrace("dead-letters", "list", "--group", "audit"), seconds=60, what="the dead letter")
    assert dead[0]["cause"] == "invalid"
    assert "data.user_id" in dead[0]["error"]


def test_status_and_alerts_know_the_door(millrace: Millrace) -> None:
    aws = millrace("status")["aws"]
    assert aws["problem"] is None
    assert set(aws["functions"]) == {"audit", "guide"}
    kinds = {alert["kind"] for alert in millrace("alerts")}
    assert "no AWS" not in kinds


def test_a_second_up_changes_nothing_there(layout: Layout) -> None:
    said: list[str] = []
    up(said.append, catalog=CATALOG, layout=layout, environment={"MILLRACE_ENGINE": "offline"})
    [topology] = [line for line in said if "topology:" in line]
    assert "0 created, 0 put right, 0 deleted" in topology
