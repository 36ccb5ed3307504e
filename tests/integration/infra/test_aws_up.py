"""`up` on RabbitMQ and LocalStack: what it makes at AWS, that it is repeatable, and what it never deletes."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from millrace import aws_names, names

from infra.aws import settings
from infra.offline_engine import NotAllApplied, QueueHoldsMessages
from tests.aws_catalog import CATALOG, EVENTS, GROUP, PLAIN, SMALLER
from tests.integration.infra.conftest import StackUnderTest
from tests.integration.workers.stack import until
from tests.localstack_server import Aws, fresh_account

pytestmark = pytest.mark.long

#: Service, how to list it, where the list is, what names a thing in it (nothing where the list has names).
LISTS = (
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("sns", "list_subscriptions", "Subscriptions", "Endpoint"),
    ("sqs", "list_queues", "QueueUrls", None),
    ("dynamodb", "list_tables", "TableNames", None),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("iam", "list_policies", "Policies", "PolicyName"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    ("kms", "list_aliases", "Aliases", "AliasName"),
)


def everything(aws: Aws) -> set[str]:
    """What there is in the account, by service and name."""
    return {f"{service} {one.split(':')[-1].split('/')[-1]}" for service, one in _listed(aws)}


def _listed(aws: Aws) -> Iterator[tuple[str, str]]:
    for service, verb, where, name in LISTS:
        with closing(aws.client(service)) as client:
            own = {"Scope": "Local"} if verb == "list_policies" else {}
            for one in getattr(client, verb)(**own).get(where, []):
                yield f"{service} {where}", str(one[name] if name else one)


def expected(prefix: str) -> set[str]:
    """What CATALOG has where the Lambda service is not there."""
    topics = {event.type: aws_names.topic(prefix, event) for event in EVENTS}
    doors = [aws_names.ingress_queue(prefix, event.type) for event in EVENTS if event.public]
    queues = [*doors, *(aws_names.function_queue(prefix, one.name) for one in (GROUP, PLAIN))]
    tables = [aws_names.inbox_table(prefix, GROUP.name), aws_names.outbox_table(prefix)]
    dead = [aws_names.dead_queue(queue) for queue in queues]
    return {
        *(f"sns Topics {topic}" for topic in topics.values()),
        *(f"sns Subscriptions {queue}" for queue in queues),
        *(f"sqs QueueUrls {queue}" for queue in (*queues, *dead)),
        *(f"dynamodb TableNames {table}" for table in tables),
        *(f"iam Policies {aws_names.access_policy(prefix, one)}" for one in ("ingress", "egress", "relay")),
        *(f"cloudwatch MetricAlarms {aws_names.alarm(queue, 'late')}" for queue in queues),
        *(f"cloudwatch MetricAlarms {aws_names.alarm(queue, what)}" for queue in dead for what in ("letters", "taken")),
    }


def queue_url(aws: Aws, queue: str) -> str:
    return aws_names.queue_url(aws.endpoint, aws.region, aws.account, queue)


def leaving(aws_stack: StackUnderTest) -> list[str]:
    """The queues that SMALLER has no more, and that have what is published to MyTopic."""
    return [aws_names.function_queue(aws_stack.vhost, one.name) for one in (GROUP, PLAIN)]


def publish(aws: Aws, topic: str, queues: Sequence[str] = ()) -> None:
    """Publish one message, and wait until it lies in these queues: SNS answers before."""
    with closing(aws.client("sns")) as sns:
        sns.publish(TopicArn=aws_names.arn("sns", aws.region, aws.account, topic), Message="{}")
    until(lambda: all(attributes(aws, queue)["ApproximateNumberOfMessages"] == "1" for queue in queues), what="it")


def attributes(aws: Aws, queue: str) -> dict[str, Any]:
    with closing(aws.client("sqs")) as sqs:
        found = sqs.get_queue_attributes(QueueUrl=queue_url(aws, queue), AttributeNames=["All"])
    result: dict[str, Any] = found["Attributes"]
    return result


def test_makes_all_and_a_second_run_changes_nothing(aws_stack: StackUnderTest, aws: Aws) -> None:
    planned = aws_stack.preview()
    assert everything(aws) == set()
    first = aws_stack.up()
    assert sorted(first.created) == sorted(planned.created)
    assert everything(aws) == expected(aws_stack.vhost)
    second = aws_stack.up()
    assert (second.total, second.unchanged, second.away) == (0, len(first.created), 0)


def test_what_is_published_reaches_each_queue_of_its_topic(aws_stack: StackUnderTest, aws: Aws) -> None:
    aws_stack.up()
    publish(aws, "MyTopic")
    prefix = aws_stack.vhost
    reached = [aws_names.ingress_queue(prefix, EVENTS[0].type)]
    reached += [aws_names.function_queue(prefix, one.name) for one in (GROUP, PLAIN)]
    with closing(aws.client("sqs")) as sqs:
        for queue in reached:
            got = sqs.receive_message(QueueUrl=queue_url(aws, queue), WaitTimeSeconds=10)
            assert json.loads(got["Messages"][0]["Body"])["Message"] == "{}"


def test_meddling_is_put_right(aws_stack: StackUnderTest, aws: Aws) -> None:
    aws_stack.up()
    prefix = aws_stack.vhost
    queue, inbox = aws_names.function_queue(prefix, GROUP.name), aws_names.inbox_table(prefix, GROUP.name)
    alarm, policy = aws_names.alarm(queue, "late"), aws_names.access_policy(prefix, "egress")
    topic = aws_names.arn("sns", aws.region, aws.account, "MyTopic")
    other = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["sns:Publish"], "Resource": [topic]}],
    }
    with closing(aws.client("sqs")) as sqs:
        unsafe = {"Policy": "", "SqsManagedSseEnabled": "false", "VisibilityTimeout": "1"}
        sqs.set_queue_attributes(QueueUrl=queue_url(aws, queue), Attributes=unsafe)
        sqs.delete_queue(QueueUrl=queue_url(aws, aws_names.dead_queue(queue)))
    with closing(aws.client("sns")) as sns:
        sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue="")
        for one in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
            if one["Endpoint"].endswith(queue):
                sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])
    with closing(aws.client("dynamodb")) as dynamodb:
        dynamodb.update_table(TableName=inbox, DeletionProtectionEnabled=False)
        expiry = {"Enabled": False, "AttributeName": "expires_at"}
        dynamodb.update_time_to_live(TableName=inbox, TimeToLiveSpecification=expiry)
        recovery = {"PointInTimeRecoveryEnabled": False}
        dynamodb.update_continuous_backups(TableName=inbox, PointInTimeRecoverySpecification=recovery)
    with closing(aws.client("cloudwatch")) as cloudwatch:
        cloudwatch.delete_alarms(AlarmNames=[alarm])
    with closing(aws.client("iam")) as iam:
        arn = f"arn:aws:iam::{aws.account}:policy/{policy}"
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(other), SetAsDefault=True)

    changes = aws_stack.up()

    assert set(changes.updated) == {
        *(f"SQS queue {queue}", "SNS topic MyTopic", f"DynamoDB table {inbox}", f"IAM policy {policy}"),
    }
    missing = {f"SQS queue {aws_names.dead_queue(queue)}", f"subscription MyTopic -> {queue}", f"alarm {alarm}"}
    assert set(changes.created) == missing
    assert attributes(aws, queue)["SqsManagedSseEnabled"] == "true"
    assert aws_stack.up().total == 0


def test_an_event_type_and_functions_that_left_are_removed(aws_stack: StackUnderTest, aws: Aws) -> None:
    aws_stack.up()
    aws_stack.up(SMALLER)
    prefix = aws_stack.vhost
    door, left = aws_names.ingress_queue(prefix, EVENTS[0].type), aws_names.topic(prefix, EVENTS[1])
    assert everything(aws) == {
        *("sns Topics MyTopic", f"sns Topics {left}", f"sns Subscriptions {door}"),
        *(f"sqs QueueUrls {queue}" for queue in (door, aws_names.dead_queue(door))),
        *(f"iam Policies {aws_names.access_policy(prefix, one)}" for one in ("ingress", "egress")),
        f"cloudwatch MetricAlarms {aws_names.alarm(door, 'late')}",
        *(
            f"cloudwatch MetricAlarms {aws_names.alarm(aws_names.dead_queue(door), what)}"
            for what in ("letters", "taken")
        ),
    }
    assert aws_stack.up(SMALLER).total == 0


def test_a_queue_with_messages_is_kept_and_nothing_is_touched(aws_stack: StackUnderTest, aws: Aws) -> None:
    aws_stack.up()
    publish(aws, "MyTopic", leaving(aws_stack))
    with pytest.raises(QueueHoldsMessages) as caught:
        aws_stack.up(SMALLER)
    assert caught.value.counts == dict.fromkeys(leaving(aws_stack), 1)
    assert everything(aws) == expected(aws_stack.vhost)
    with pytest.raises(QueueHoldsMessages):
        aws_stack.destroy()
    assert aws_stack.up().total == 0
    aws_stack.up(SMALLER, delete_messages=True)
    assert not [one for one in everything(aws) if one.endswith(tuple(leaving(aws_stack)))]


def test_a_message_that_comes_in_between_is_kept_too(
    aws_stack: StackUnderTest, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws_stack.up()
    publish(aws, "MyTopic", leaving(aws_stack))
    monkeypatch.setattr("infra.offline_engine.engine._require_no_messages", lambda *_: None)
    with pytest.raises(NotAllApplied, match="left the program but holds 1 messages"):
        aws_stack.up(SMALLER)
    monkeypatch.undo()
    monkeypatch.setattr(settings, "STAND_IN_ACCOUNTS", settings.STAND_IN_ACCOUNTS | {aws.account})
    kept = aws_names.function_queue(aws_stack.vhost, PLAIN.name)
    assert attributes(aws, kept)["ApproximateNumberOfMessages"] == "1"
    with pytest.raises(QueueHoldsMessages, match=kept):
        aws_stack.up(SMALLER)


def test_an_inbox_with_rows_is_kept(aws_stack: StackUnderTest, aws: Aws) -> None:
    aws_stack.up()
    inbox = aws_names.inbox_table(aws_stack.vhost, GROUP.name)
    with closing(aws.client("dynamodb")) as dynamodb:
        dynamodb.put_item(TableName=inbox, Item={"key": {"S": "an event"}})
    with pytest.raises(QueueHoldsMessages) as caught:
        aws_stack.up(SMALLER)
    assert caught.value.counts == {inbox: 1}


def test_a_table_with_another_key_is_named_and_the_rest_is_applied(aws_stack: StackUnderTest, aws: Aws) -> None:
    inbox = aws_names.inbox_table(aws_stack.vhost, GROUP.name)
    with closing(aws.client("dynamodb")) as dynamodb:
        dynamodb.create_table(
            TableName=inbox,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "other", "AttributeType": "S"}],
        )
    with pytest.raises(NotAllApplied) as caught:
        aws_stack.up()
    assert list(caught.value.problems) == [f"DynamoDB table {inbox}"]
    assert everything(aws) == expected(aws_stack.vhost)


def test_while_aws_is_away_the_broker_is_applied_and_the_rest_is_left_alone(
    aws_stack: StackUnderTest, aws: Aws
) -> None:
    here, away = aws_stack, replace(aws_stack, aws=None)
    part = here.up()
    unchanged = away.up()
    lying_there = [one for one in part.created if one.startswith(("SNS", "SQS", "Dyn", "IAM", "alarm", "subscr"))]
    assert (unchanged.total, unchanged.away) == (0, len(lying_there))
    assert "left alone (AWS is away)" in str(unchanged)
    away.up(SMALLER)
    assert names.dead_queue(PLAIN.name) not in here.queues()
    assert everything(aws) == expected(here.vhost)
    removed = here.up(SMALLER)
    assert f"SQS queue {aws_names.function_queue(here.vhost, PLAIN.name)}" in removed.deleted
    assert here.up(SMALLER).total == 0


def test_a_stack_that_never_met_aws_gets_its_part_later(aws_stack: StackUnderTest, aws: Aws) -> None:
    replace(aws_stack, aws=None).up()
    assert names.OUTWARD in aws_stack.queues()
    aws_stack.up()
    assert everything(aws) == expected(aws_stack.vhost)


def test_what_localstack_forgot_is_made_anew(
    aws_stack: StackUnderTest, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws_stack.up()
    empty = fresh_account(aws.endpoint)
    monkeypatch.setattr(settings, "STAND_IN_ACCOUNTS", {aws.account, empty.account})
    assert aws_stack.aws is not None
    elsewhere = replace(aws_stack, aws=replace(aws_stack.aws, account=empty.account))
    assert not elsewhere.up().deleted
    assert everything(empty) == expected(aws_stack.vhost)
    assert elsewhere.up().total == 0


def test_destroy_leaves_nothing(aws_stack: StackUnderTest, aws: Aws) -> None:
    aws_stack.up()
    changes = aws_stack.destroy()
    assert everything(aws) == set()
    assert {"SNS topic MyTopic", f"vhost {aws_stack.vhost}"} <= set(changes.deleted)


def test_destroy_while_aws_is_away_says_so(aws_stack: StackUnderTest, aws: Aws) -> None:
    aws_stack.up()
    changes = replace(aws_stack, aws=None).destroy()
    assert changes.away > 0
    assert everything(aws) == expected(aws_stack.vhost)


def test_the_catalog_is_the_one_of_the_broker_too(aws_stack: StackUnderTest) -> None:
    aws_stack.up()
    assert {names.dead_queue(one.name) for one in CATALOG.functions} < aws_stack.queues().keys()
