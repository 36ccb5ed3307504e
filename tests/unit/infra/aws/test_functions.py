"""What functions have, with and without the Lambda service, with a database, with a key of the stack's own."""

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from millrace.aws_derived import LOG_DAYS, function_timing
from millrace.declarations import Catalog, Event, Topic
from millrace.events import AccountCreated

from bench.many import catalog_of
from infra.__main__ import declare
from infra.offline_engine.recording import record
from infra.refusal import Refused
from infra.settings import Settings
from tests.aws_catalog import CATALOG, EVENTS, GROUP, SMALLER, WITH_DATABASE
from tests.unit.infra.aws import graph
from tests.unit.infra.aws.conftest import Record
from tests.unit.infra.aws.graph import arn, of, statements

LEDGER, GUIDE = "millrace-test-ledger", "millrace-test-guide"
QUEUE, DEAD = "millrace-test-fn-ledger", "millrace-test-fn-ledger-dead"


def test_without_the_lambda_service_each_function_has_a_queue(recorded: Record) -> None:
    recording = recorded()
    for type_ in (graph.FUNCTION, graph.EVENT_SOURCE, graph.PERMISSION, graph.ROLE, graph.LOG_GROUP):
        assert not of(recording, type_)
    subscribed = {(one["topic"], one["endpoint"]) for one in of(recording, graph.SUBSCRIPTION).values()}
    assert {
        (arn("sns", "MyTopic"), arn("sqs", QUEUE)),
        (arn("sns", "millrace-test-account--created"), arn("sqs", QUEUE)),
        (arn("sns", "MyTopic"), arn("sqs", "millrace-test-fn-guide")),
    } <= subscribed
    assert all(one["protocol"] == "sqs" for one in of(recording, graph.SUBSCRIPTION).values())


def test_a_groups_function_is_fed_by_its_queue(recorded: Record, package: str) -> None:
    recording = recorded(lambda_service=True, package=package)
    timing = function_timing(GROUP)
    function = of(recording, graph.FUNCTION)[LEDGER]
    assert (function["handler"], function["code"]) == ("workers.aws_lambda.lambda_handler", {"path": package})
    assert (function["timeout"], function["memorySize"]) == (timing.timeout, GROUP.memory)
    assert function["environment"]["variables"] == {
        "MILLRACE_GROUP": "ledger",
        "MILLRACE_INBOX_URL": "dynamodb://millrace-test-ledger-inbox?region=us-east-1",
        "MILLRACE_OUTBOX_TABLE": "millrace-test-outbox",
        "MILLRACE_DEAD_QUEUE_URL": f"http://127.0.0.1:1/123456789012/{DEAD}",
    }
    source = of(recording, graph.EVENT_SOURCE)[LEDGER]
    assert (source["eventSourceArn"], source["functionName"]) == (arn("sqs", QUEUE), LEDGER)
    assert source["functionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["batchSize"] == timing.batch
    assert source["scalingConfig"] == {"maximumConcurrency": GROUP.concurrency}
    queue = of(recording, graph.QUEUE)[QUEUE]
    assert queue["visibilityTimeoutSeconds"] == timing.visibility
    assert json.loads(queue["redrivePolicy"])["maxReceiveCount"] == timing.max_receives


def test_a_group_may_do_just_what_it_does(recorded: Record, package: str) -> None:
    recording = recorded(lambda_service=True, package=package)
    may = statements(of(recording, graph.ROLE_POLICY)[LEDGER]["policy"])
    assert {name: one["Resource"] for name, one in may.items()} == {
        "Take": [arn("sqs", QUEUE)],
        "Dead": [arn("sqs", DEAD)],
        "Inbox": [arn("dynamodb", "table/millrace-test-ledger-inbox")],
        "Publish": [arn("dynamodb", "table/millrace-test-outbox")],
        "Log": [arn("logs", f"log-group:/aws/lambda/{LEDGER}:log-stream:*")],
    }
    assert set(may["Inbox"]["Action"]) == {"dynamodb:GetItem", "dynamodb:UpdateItem"}
    assert may["Publish"]["Action"] == ["dynamodb:PutItem"]


def test_inboxes_expire_and_the_outbox_does_not(recorded: Record) -> None:
    tables = of(recorded(), graph.TABLE)
    inbox, outbox = tables["millrace-test-ledger-inbox"], tables["millrace-test-outbox"]
    assert inbox["ttl"] == {"attributeName": "expires_at", "enabled": True}
    assert (inbox["hashKey"], inbox.get("rangeKey")) == ("key", None)
    assert outbox.get("ttl") is None
    assert (outbox["hashKey"], outbox["rangeKey"]) == ("shard", "at")
    assert {one["type"] for one in outbox["attributes"]} == {"S"}


def test_a_group_with_a_database_has_no_tables_and_its_url(recorded: Record, package: str) -> None:
    url = "postgresql+psycopg://u:p@db/millrace"
    recording = recorded(WITH_DATABASE, lambda_service=True, package=package, database_url=url)
    assert not of(recording, graph.TABLE)
    function = of(recording, graph.FUNCTION)[LEDGER]
    assert function["code"] == {"path": package.replace("functions.zip", "functions-database.zip")}
    variables = function["environment"]["variables"]
    assert variables["MILLRACE_DATABASE_URL"] == url
    assert not {"MILLRACE_INBOX_URL", "MILLRACE_OUTBOX_TABLE"} & variables.keys()
    assert not {"Inbox", "Publish"} & statements(of(recording, graph.ROLE_POLICY)[LEDGER]["policy"]).keys()
    assert "millrace-test-relay" not in of(recording, graph.POLICY)


def test_a_group_with_a_database_and_no_url_is_refused(recorded: Record, package: str) -> None:
    with pytest.raises(Refused, match="functionDatabaseUrl must be set: group 'ledger' has database=True"):
        recorded(WITH_DATABASE, lambda_service=True, package=package)


def test_a_group_with_a_database_and_no_zip_of_its_own_is_refused(recorded: Record, tmp_path: Path) -> None:
    (tmp_path / "functions.zip").touch()
    with pytest.raises(Refused, match=r"a zip that the build made .*, one with -database beside it"):
        recorded(
            WITH_DATABASE, lambda_service=True, package=str(tmp_path / "functions.zip"), database_url="postgresql:"
        )


def test_a_plain_function_is_called_by_its_topic(recorded: Record, package: str) -> None:
    recording = recorded(lambda_service=True, package=package)
    function = of(recording, graph.FUNCTION)[GUIDE]
    assert (function["handler"], function["code"]) == ("guide.lambda_handler", {"path": package})
    assert (function["timeout"], function["reservedConcurrentExecutions"]) == (30, 10)
    subscription = of(recording, graph.SUBSCRIPTION)[f"MyTopic -> {GUIDE}"]
    assert (subscription["protocol"], subscription["endpoint"]) == ("lambda", arn("lambda", f"function:{GUIDE}"))
    dead = arn("sqs", "millrace-test-fn-guide-dead")
    # For what SNS cannot deliver, and for what the function failed at.
    assert json.loads(subscription["redrivePolicy"]) == {"deadLetterTargetArn": dead}
    assert function["deadLetterConfig"] == {"targetArn": dead}
    assert statements(of(recording, graph.ROLE_POLICY)[GUIDE]["policy"])["Dead"]["Resource"] == [dead]
    assert of(recording, graph.PERMISSION)[GUIDE]["function"] == GUIDE
    assert "millrace-test-fn-guide" not in of(recording, graph.QUEUE)


def test_functions_log_for_a_while(recorded: Record, package: str) -> None:
    recording = recorded(lambda_service=True, package=package)
    kept = {name: one["retentionInDays"] for name, one in of(recording, graph.LOG_GROUP).items()}
    assert kept == dict.fromkeys((f"/aws/lambda/{LEDGER}", f"/aws/lambda/{GUIDE}"), LOG_DAYS)
    groups = {one.urn for one in recording.resources if one.type == graph.LOG_GROUP}
    for function in (one for one in recording.resources if one.type == graph.FUNCTION):
        assert groups & set(function.dependencies), "else Lambda makes the group, which keeps all for ever"


def test_functions_are_told_which_catalog_and_alarms_whom(recorded: Record, package: str) -> None:
    topic = arn("sns", "on-call")
    recording = recorded(
        lambda_service=True, package=package, function_catalog="shop.catalog:CATALOG", alarm_topic=topic
    )
    variables = of(recording, graph.FUNCTION)[LEDGER]["environment"]["variables"]
    assert variables["MILLRACE_CATALOG"] == "shop.catalog:CATALOG"
    assert {tuple(one["alarmActions"]) for one in of(recording, graph.ALARM).values()} == {(topic,)}


def test_a_key_of_its_own_encrypts_all_and_sns_may_use_it(recorded: Record, package: str) -> None:
    recording = recorded(lambda_service=True, package=package, customer_key=True)
    alias = "alias/millrace-test"
    (key,) = of(recording, graph.KEY).values()
    assert key["enableKeyRotation"] is True
    assert of(recording, graph.ALIAS)[alias]["targetKeyId"] == key["arn"]
    sns = statements(key["policy"])["Sns"]
    assert sns["Principal"] == {"Service": "sns.amazonaws.com"}
    assert sns["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert sns["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    logs = statements(key["policy"])["Logs"]
    pattern = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    groups = of(recording, graph.LOG_GROUP)
    assert groups
    assert all(fnmatchcase(graph.arn("logs", f"log-group:{name}"), pattern) for name in groups)
    for type_ in (graph.QUEUE, graph.TOPIC):
        assert {one["kmsMasterKeyId"] for one in of(recording, type_).values()} == {alias}
    encrypted: dict[str, Any] = {
        one["name"]: one["serverSideEncryption"] for one in of(recording, graph.TABLE).values()
    }
    assert all(one["kmsKeyArn"] == key["arn"] for one in encrypted.values())
    assert all(one["kmsKeyArn"] == key["arn"] for one in of(recording, graph.FUNCTION).values())
    assert all(one["kmsKeyId"] == key["arn"] for one in of(recording, graph.LOG_GROUP).values())
    for type_ in (graph.ROLE_POLICY, graph.POLICY):
        for one in of(recording, type_).values():
            assert statements(one["policy"])["Key"]["Resource"] == [key["arn"]]


def test_without_one_there_is_no_key(recorded: Record) -> None:
    recording = recorded()
    assert not of(recording, graph.KEY)
    assert {one["kmsMasterKeyId"] for one in of(recording, graph.TOPIC).values()} == {"alias/aws/sns"}


def test_processes_may_do_just_what_they_do(recorded: Record) -> None:
    policies = {name: statements(one["policy"]) for name, one in of(recorded(), graph.POLICY).items()}
    ingress, egress = policies["millrace-test-ingress"], policies["millrace-test-egress"]
    doors = ["millrace-test-in-user--signed_up", "millrace-test-in-welcome_email--sent"]
    dead = [f"{queue}-dead" for queue in (*doors, QUEUE, "millrace-test-fn-guide")]
    assert ingress["Take"]["Resource"] == [arn("sqs", queue) for queue in (*doors, *dead)]
    assert set(ingress["Take"]["Action"]) == {
        *("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
        *("sqs:GetQueueUrl", "sqs:ReceiveMessage"),
    }
    assert egress["Forward"]["Action"] == ["sns:Publish"]
    assert egress["Forward"]["Resource"] == [arn("sns", "millrace-test-account--created")]
    assert set(egress["Give"]["Action"]) == {"sqs:GetQueueUrl", "sqs:SendMessage"}
    assert egress["Give"]["Resource"] == [arn("sqs", queue) for queue in (QUEUE, "millrace-test-fn-guide")]
    relay = policies["millrace-test-relay"]["Relay"]
    assert set(relay["Action"]) == {"dynamodb:BatchWriteItem", "dynamodb:Query"}
    assert relay["Resource"] == [arn("dynamodb", "table/millrace-test-outbox")]


def test_policies_and_topics_are_exported(recorded: Record) -> None:
    outputs = recorded().outputs
    assert outputs["awsTopics"]["user.signed_up"] == arn("sns", "MyTopic")
    assert outputs["awsPolicies"] == {
        one: [arn("iam", f"policy/millrace-test-{one}", region="")] for one in ("ingress", "egress", "relay")
    }


def test_a_large_catalog_has_several_policies_that_iam_takes(recorded: Record) -> None:
    events = [Event(event.payload, public=Topic()) for event in catalog_of(40).events]
    recording = recorded(Catalog(events=events, groups=[]))
    policies = of(recording, graph.POLICY)
    assert len(policies) > 1
    assert all(len(one["policy"]) <= 6_144 for one in policies.values())
    named = [each for one in policies.values() for each in statements(one["policy"])["Take"]["Resource"]]
    assert sorted(named) == sorted(arn("sqs", name) for name in of(recording, graph.QUEUE))
    assert len(recording.outputs["awsPolicies"]["ingress"]) == len(policies)


def test_topics_with_long_names_fit_into_policies_too(recorded: Record, package: str) -> None:
    """A topic's name may have 256 characters, a queue's 80."""
    long = [f"{number:03d}{'x' * 253}" for number in range(20)]
    events = [
        Event(each.payload, forwarded=Topic(name)) for each, name in zip(catalog_of(20).events, long, strict=True)
    ]
    recording = recorded(Catalog(events=events, groups=[]), lambda_service=True, package=package, customer_key=True)
    policies = of(recording, graph.POLICY)
    assert all(len(one["policy"]) <= 6_144 for one in policies.values())
    may = [one for policy in policies.values() for one in statements(policy["policy"]).values()]
    topics = sorted(arn("sns", name) for name in long)
    assert sorted(each for one in may if one["Sid"] == "Forward" for each in one["Resource"]) == topics
    assert [one["Sid"] for one in may].count("Key") == 1


def test_a_process_with_nothing_to_do_has_no_policy(recorded: Record) -> None:
    forwarding = Catalog(events=[Event(AccountCreated, forwarded=Topic())], groups=[])
    assert of(recorded(forwarding), graph.POLICY).keys() == {"millrace-test-egress"}
    assert of(recorded(SMALLER), graph.POLICY).keys() == {"millrace-test-egress", "millrace-test-ingress"}


def test_a_topic_that_is_only_forwarded_to_has_no_door(recorded: Record) -> None:
    recording = recorded()
    assert of(recording, graph.TOPIC).keys() == {
        *("MyTopic", "millrace-test-account--created", "millrace-test-welcome_email--sent")
    }
    doors = {name for name in of(recording, graph.QUEUE) if "-in-" in name and not name.endswith("-dead")}
    assert len(doors) == sum(event.public is not None for event in EVENTS)


def test_a_stack_without_aws_has_nothing_of_it_at_the_broker_either(recorded: Record, config: dict[str, str]) -> None:
    without = record(lambda: declare(CATALOG, Settings.load()), stack="test", config=config, known={})
    assert not [one for one in without.resources if one.type.startswith("aws:")]
    assert not {"outward", "dead.guide"} & of(without, "rabbitmq:index/queue:Queue").keys()
    assert {"outward"} < of(recorded(), "rabbitmq:index/queue:Queue").keys()
