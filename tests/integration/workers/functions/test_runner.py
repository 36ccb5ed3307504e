"""The local runner: real queues, the packaged code, AWS's own runtime interface client."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from millrace import aws_names

from tests.integration.workers.functions.runner import running
from tests.integration.workers.functions.world import VHOST, World, cloud_event, world
from tests.integration.workers.stack import until
from tests.localstack_server import Aws, held
from tests.processes_seen import runs

pytestmark = pytest.mark.long


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """The function's processes."""
    return [child.pid for child in psutil.Process(process.pid).children()]


def until_gone(made: World, seconds: float = 60) -> None:
    """Wait until there is no message left in the function's queue."""
    until(lambda: held(made.sqs, made.queue) == 0, seconds=seconds, what="an empty queue")


def entries(log: Path) -> Counter[str]:
    """The entries of the audit log: how many lines each has."""
    found = re.findall(r'"entry":"([0-9a-f]{32})"', log.read_text())
    return Counter(found)


def test_a_group_through_the_packaged_code(aws: Aws, tmp_path: Path) -> None:
    """Events, one of them bad, go through; a stop ends all processes."""
    with world(aws, "parts", tmp_path) as made, running(aws, "parts", tmp_path) as (process, log):
        made.send(cloud_event("1", how="executes"), "{", cloud_event("2", part="nut", how="is permanent"))
        made.send(cloud_event("3", how="fails once"))
        until_gone(made)
        letters = made.letters()
        assert sorted(letter["cause"] for letter in letters) == ["invalid", "permanent", "permanent"]
        assert '"id":"3","source":"/test","type":"part.seen","group":"parts","outcome":"processed","attempt":2' in (
            log.read_text()
        )
        started = children(process)
        assert started
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert not any(psutil.pid_exists(pid) for pid in started)
        assert '"Namespace":"Millrace"' in log.read_text()


def test_the_guides_function_prints_its_line(aws: Aws, tmp_path: Path) -> None:
    """As it is written: SNS calls it with one record, its line is in the log; what it cannot do comes again."""
    sns, sqs = aws.client("sns"), aws.client("sqs")
    name = aws_names.function_queue(VHOST, "guide")
    sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "2"})
    topic = sns.create_topic(Name="MyTopic")["TopicArn"]
    arn = aws_names.arn("sqs", aws.region, aws.account, name)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    with running(aws, "guide", tmp_path) as (_process, log):
        sns.publish(TopicArn=topic, Message=json.dumps({"eventType": "USER_SIGNUP"}))
        for user in ("12345", "12346"):
            sns.publish(TopicArn=topic, Message=json.dumps({"eventType": "USER_SIGNUP", "userId": user}))
        lines = {"New signup: 12345", "New signup: 12346"}
        until(lambda: all(line in log.read_text() for line in lines), seconds=60, what="its lines")
        until(lambda: log.read_text().count("KeyError: 'userId'") > 1, seconds=60, what="the bad one again")
    sns.close()
    sqs.close()


def test_a_process_that_dies_is_replaced(aws: Aws, tmp_path: Path) -> None:
    """The function goes on; how the process ended is in the log."""
    with world(aws, "parts", tmp_path) as made, running(aws, "parts", tmp_path) as (process, log):
        made.send(cloud_event("0"))
        until_gone(made)
        killed = children(process)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not any(runs(pid) for pid in killed), what="their end")
        made.send(*[cloud_event(str(number), f"part{number}") for number in range(1, 8)])
        until_gone(made)
        found = re.findall(r"stored (\w+) ", log.read_text())
        assert sorted(found) == ["bolt", *(f"part{number}" for number in range(1, 8))]
        assert "function died" in log.read_text()
        assert made.letters() == []


@contextmanager
def called(aws: Aws, name: str, directory: Path, **more: str) -> Iterator[Path]:
    """A plain function with one message of SNS in its queue; gives its log."""
    with closing(aws.client("sqs")) as sqs:
        queue = aws_names.function_queue(VHOST, name)
        url = sqs.create_queue(QueueName=queue, Attributes={"VisibilityTimeout": "2"})["QueueUrl"]
        envelope = {"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:x:1:T", "Message": "{}"}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(envelope))
        with running(aws, name, directory, **more) as (_process, log):
            yield log


def test_a_function_that_does_not_end_is_killed(aws: Aws, tmp_path: Path) -> None:
    """As Lambda does it, at its time-out; its message comes again."""
    with called(aws, "stuck", tmp_path) as log:
        until(lambda: log.read_text().count("time-out after 1 s") > 1, seconds=60, what="two time-outs")
        assert "ran into its time-out" in log.read_text()


def test_a_function_that_cannot_be_imported(aws: Aws, tmp_path: Path) -> None:
    """The reason is in the log, and so is when it is tried again."""
    with called(aws, "broken", tmp_path) as log:
        until(lambda: log.read_text().count('"event":"function died"') > 1, seconds=60, what="a second try")
        assert re.search('"how":"[^"]*no such thing', log.read_text())


def test_a_function_is_told_nothing_but_its_own(aws: Aws, tmp_path: Path) -> None:
    """What the runner knows besides, it does not."""
    with called(aws, "teller", tmp_path, MILLRACE_DATABASE_URL="postgresql://secret") as log:
        found = until(lambda: re.search("^told (.*)$", log.read_text(), re.M), seconds=60, what="its line")
        assert found is not None
        told = set(found.group(1).split())
        assert {"AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION", "LAMBDA_TASK_ROOT"} <= told
        assert not {name for name in told if name.startswith("MILLRACE_")}


@pytest.mark.timeout(600)
def test_killed_in_the_middle_of_2000(aws: Aws, tmp_path: Path) -> None:
    """One effect each, the queue empty, no dead letter."""
    with world(aws, "audit", tmp_path) as made, running(aws, "audit", tmp_path) as (process, log):
        made.sqs.set_queue_attributes(QueueUrl=made.queue, Attributes={"VisibilityTimeout": "5"})
        for first in range(0, 2000, 10):
            bodies = [sign_up(number) for number in range(first, first + 10)]
            made.sqs.send_message_batch(
                QueueUrl=made.queue,
                Entries=[{"Id": str(at), "MessageBody": body} for at, body in enumerate(bodies)],
            )
            if first in (700, 1300):
                (victim, *_) = until(lambda: children(process), what="a process")
                os.kill(victim, signal.SIGKILL)
        wanted = {f"u{number}" for number in range(2000)}
        # a killed call has told of none of its records yet: those that it had processed are absorbed when they return
        until(lambda: settled(log) == wanted, seconds=400, what="an outcome of each")
        until_gone(made, seconds=100)
        assert made.letters() == []
        found = entries(log)
        assert len(found) == 2000
        assert log.read_text().count("function died") >= 2
        assert "call failed" in log.read_text()
        said = log.read_text()
        # A line is there again only where a run of its handler was cut: by a kill, its time limit, or the store.
        cuts = ("function died", '"note":"Overran"', "the store cannot be reached", '"outcome":"overtaken"')
        assert sum(found.values()) - 2000 <= sum(said.count(cut) for cut in cuts)


def settled(log: Path) -> set[str]:
    """The ids of the events that are said to have had their effect."""
    return set(re.findall(r'"id":"(u\d+)"[^}]*"outcome":"(?:processed|absorbed)"', log.read_text()))


def sign_up(number: int) -> str:
    """An event of its own."""
    data: dict[str, Any] = {"userId": str(number)}
    return json.dumps(
        {"specversion": "1.0", "id": f"u{number}", "source": "/t", "type": "user.signed_up", "data": data}
    )
