"""The engine's kinds on a server that has KMS and Lambda, which LocalStack without Docker has not: moto's."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from infra.offline_engine import AwsTarget, UnknownResource
from infra.offline_engine.aws.clients import Clients, connected
from infra.offline_engine.aws.kinds import AWS_KINDS
from infra.offline_engine.aws.place import AwsPlace
from infra.offline_engine.kind import Standing
from infra.offline_engine.kinds import identity, label, require_known
from infra.offline_engine.resources import Resource
from infra.offline_engine.state import State
from tests.unit.infra.aws import graph
from tests.unit.infra.aws.conftest import Record

#: moto does not keep where failed calls of a function go; LocalStack does.
NOT_KEPT = {"DeadLetterConfig"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Its endpoint; it runs in a thread of the tests."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(scope="module")
def aws(server: str) -> Iterator[Clients]:
    """Its account."""
    with connected(AwsTarget(endpoint=server)) as clients:
        yield clients


@pytest.fixture(scope="module")
def resources(recorded: Record, package: str) -> tuple[Resource, ...]:
    """Everything that the program can declare at AWS."""
    whole = recorded(lambda_service=True, package=package, customer_key=True, database_url="postgresql://db").resources
    return tuple(one for one in whole if one.type.startswith("aws:"))


def differing(one: Resource, aws: Clients) -> set[str]:
    kind = AWS_KINDS[one.type]
    actual = kind.actual(one.inputs, aws)
    assert actual is not None, label(one)
    return {name for name, value in kind.wanted(one.inputs).items() if actual.get(name) != value}


def test_all_is_made_put_right_and_removed(resources: tuple[Resource, ...], aws: Clients) -> None:
    place = AwsPlace(aws)
    assert {place.step(one).standing for one in resources} == {Standing.ABSENT}
    for _ in ("made", "written again"):
        for one in resources:
            place.write(one)
        assert {label(one): more for one in resources if (more := differing(one, aws) - NOT_KEPT)} == {}
    left = place.plan((), State(resources=resources)).removals
    assert left == tuple(reversed(resources))
    for one in left:
        place.remove(one)
        place.remove(one)
    assert {place.step(one).standing for one in resources} == {Standing.ABSENT}


def test_every_type_is_declared_by_some_stack(resources: tuple[Resource, ...]) -> None:
    """No kind is there for nothing."""
    assert {one.type for one in resources} == AWS_KINDS.keys()


@pytest.fixture(scope="module")
def made(resources: tuple[Resource, ...], aws: Clients) -> Iterator[dict[str, Resource]]:
    """All of it, by type and name; gone afterwards."""
    place = AwsPlace(aws)
    for one in resources:
        place.write(one)
    yield {f"{one.type} {one.name}": one for one in resources}
    for one in reversed(resources):
        place.remove(one)


def changed(one: Resource, **inputs: Any) -> Resource:
    return replace(one, inputs={**one.inputs, **inputs})


LEDGER = "millrace-test-ledger"
QUEUE = "millrace-test-fn-ledger"
DOOR = "millrace-test-in-user--signed_up"


def other(resource: str, **more: Any) -> str:
    """A policy that nobody declares."""
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": ["sqs:SendMessage"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Resource": resource} | more]})


TRUST = {"Effect": "Allow", "Principal": {"Service": "edgelambda.amazonaws.com"}, "Action": ["sts:AssumeRole"]}


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        (f"{graph.QUEUE} {QUEUE}", {"visibilityTimeoutSeconds": 7.0}),
        (f"{graph.QUEUE} {QUEUE}", {"messageRetentionSeconds": 120.0}),
        (f"{graph.QUEUE} {QUEUE}", {"redrivePolicy": None}),
        (f"{graph.QUEUE} {QUEUE}", {"policy": other(graph.arn("sqs", QUEUE))}),
        (f"{graph.QUEUE} {QUEUE}", {"kmsMasterKeyId": None, "sqsManagedSseEnabled": True}),
        (f"{graph.TOPIC} MyTopic", {"kmsMasterKeyId": "alias/aws/sns"}),
        (f"{graph.TOPIC} MyTopic", {"policy": other(graph.arn("sns", "MyTopic"))}),
        (f"{graph.SUBSCRIPTION} MyTopic -> {QUEUE}", {"redrivePolicy": '{"deadLetterTargetArn": "arn:aws:sqs:::x"}'}),
        (f"{graph.TABLE} {LEDGER}-inbox", {"ttl": None}),
        (f"{graph.TABLE} {LEDGER}-inbox", {"ttl": {"attributeName": "other", "enabled": True}}),
        (f"{graph.TABLE} {LEDGER}-inbox", {"pointInTimeRecovery": {"enabled": False}}),
        (f"{graph.TABLE} {LEDGER}-inbox", {"deletionProtectionEnabled": False}),
        (f"{graph.ALARM} {QUEUE}-late", {"threshold": 7.0}),
        (f"{graph.ALARM} {QUEUE}-late", {"alarmActions": ["arn:aws:sns:us-east-1:123456789012:on-call"]}),
        (f"{graph.LOG_GROUP} /aws/lambda/{LEDGER}", {"retentionInDays": 7.0}),
        (f"{graph.ROLE} {LEDGER}", {"assumeRolePolicy": json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})}),
        (f"{graph.KEY} alias/millrace-test", {"enableKeyRotation": False}),
        (f"{graph.KEY} alias/millrace-test", {"policy": other("*")}),
        (f"{graph.FUNCTION} {LEDGER}", {"memorySize": 512.0}),
        (f"{graph.FUNCTION} {LEDGER}", {"timeout": 7.0}),
        (f"{graph.FUNCTION} {LEDGER}", {"environment": {"variables": {"MILLRACE_GROUP": "other"}}}),
        (f"{graph.FUNCTION} {LEDGER}", {"reservedConcurrentExecutions": 3.0}),
        (f"{graph.FUNCTION} millrace-test-guide", {"reservedConcurrentExecutions": None}),
        (f"{graph.PERMISSION} millrace-test-guide", {"sourceArn": "arn:aws:sns:us-east-1:123456789012:Other"}),
        (f"{graph.EVENT_SOURCE} {LEDGER}", {"batchSize": 3.0}),
        (f"{graph.EVENT_SOURCE} {LEDGER}", {"scalingConfig": {"maximumConcurrency": 3.0}}),
    ],
)
def test_a_change_is_seen_and_made_in_place(
    made: dict[str, Resource], aws: Clients, name: str, inputs: dict[str, Any]
) -> None:
    wanted = changed(made[name], **inputs)
    kind = AWS_KINDS[wanted.type]
    assert differing(wanted, aws) - NOT_KEPT
    assert kind.standing(wanted.inputs, aws) is Standing.WRONG
    assert identity(wanted) == identity(made[name])
    kind.write(wanted.inputs, aws)
    assert not differing(wanted, aws) - NOT_KEPT
    kind.write(made[name].inputs, aws)
    assert not differing(made[name], aws) - NOT_KEPT


def test_new_code_is_seen_and_deployed(
    made: dict[str, Resource], aws: Clients, tmp_path_factory: pytest.TempPathFactory, package: str
) -> None:
    newer = tmp_path_factory.mktemp("newer") / "functions.zip"
    newer.write_bytes(Path(package).read_bytes() + b"more")
    function = made[f"{graph.FUNCTION} {LEDGER}"]
    wanted = changed(function, code={"path": str(newer)})
    assert differing(wanted, aws) == {"CodeSha256"}
    AWS_KINDS[graph.FUNCTION].write(wanted.inputs, aws)
    assert not differing(wanted, aws)
    AWS_KINDS[graph.FUNCTION].write(function.inputs, aws)


def test_policies_change_as_often_as_one_likes(made: dict[str, Resource], aws: Clients) -> None:
    """IAM keeps five versions of one and refuses a sixth."""
    policy = made[f"{graph.POLICY} millrace-test-egress"]
    for count in range(8):
        (statement,) = [
            {"Effect": "Allow", "Action": ["sns:Publish"], "Resource": [f"arn:aws:sns:us-east-1:123456789012:t{count}"]}
        ]
        wanted = changed(policy, policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        AWS_KINDS[graph.POLICY].write(wanted.inputs, aws)
        assert not differing(wanted, aws)


def test_a_tables_key_can_never_be_changed(made: dict[str, Resource], aws: Clients) -> None:
    table = made[f"{graph.TABLE} {LEDGER}-inbox"]
    renamed = changed(table, hashKey="other", attributes=[{"name": "other", "type": "S"}])
    assert AWS_KINDS[graph.TABLE].standing(renamed.inputs, aws) is Standing.FIXED


def test_policies_are_compared_as_data(made: dict[str, Resource], aws: Clients) -> None:
    topic = made[f"{graph.TOPIC} MyTopic"]
    spaced = json.dumps(json.loads(topic.inputs["policy"]), indent=4)
    assert spaced != topic.inputs["policy"]
    assert AWS_KINDS[graph.TOPIC].standing(changed(topic, policy=spaced).inputs, aws) is Standing.RIGHT


def test_messages_and_rows_are_counted(made: dict[str, Resource], aws: Clients) -> None:
    place = AwsPlace(aws)
    assert place.held(made.values()) == {}
    for body in ("one", "two"):  # and one of the two is with a reader
        aws("sqs").send_message(QueueUrl=aws.queue_url(DOOR), MessageBody=body)
    aws("sqs").receive_message(QueueUrl=aws.queue_url(DOOR), MaxNumberOfMessages=1)
    aws("dynamodb").put_item(TableName=f"{LEDGER}-inbox", Item={"key": {"S": "an event"}})
    assert place.held(made.values()) == {DOOR: 2, f"{LEDGER}-inbox": 1}


def test_a_subscription_is_found_on_a_later_page(aws: Clients, resources: tuple[Resource, ...]) -> None:
    (declared,) = [each for each in resources if each.name == f"MyTopic -> {QUEUE}"]
    topic = aws("sns").create_topic(Name="many")["TopicArn"]
    one = changed(declared, topic=topic)
    for count in range(120):
        aws("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:123456789012:q{count}")
    kind = AWS_KINDS[graph.SUBSCRIPTION]
    assert kind.actual(one.inputs, aws) is None
    kind.write(one.inputs, aws)
    assert not differing(one, aws)
    aws("sns").delete_topic(TopicArn=topic)


def test_a_key_that_is_on_its_way_out_is_none(made: dict[str, Resource], aws: Clients) -> None:
    key = made[f"{graph.KEY} alias/millrace-test"]
    found = aws("kms").describe_key(KeyId=key.inputs["arn"])["KeyMetadata"]["KeyId"]
    aws("kms").schedule_key_deletion(KeyId=found)
    assert AWS_KINDS[graph.KEY].standing(key.inputs, aws) is Standing.ABSENT
    aws("kms").cancel_key_deletion(KeyId=found)
    aws("kms").enable_key(KeyId=found)


def test_unknown_types_and_inputs_are_named(resources: tuple[Resource, ...]) -> None:
    queue = next(one for one in resources if one.type == graph.QUEUE)
    bucket = Resource(urn="urn:s", type="aws:s3/bucket:Bucket", name="s", inputs={})
    with pytest.raises(UnknownResource, match=r"aws:s3/bucket:Bucket, input 'fifoQueue' of aws:sqs/queue:Queue"):
        require_known([changed(queue, fifoQueue=True), bucket])


def test_clients_are_made_once_and_closed(server: str) -> None:
    with closing(Clients(AwsTarget(endpoint=server))) as clients:
        assert clients("sns") is clients("sns")
        assert clients.arn("sns", "t") == "arn:aws:sns:us-east-1:123456789012:t"
