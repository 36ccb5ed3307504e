"""What holds for every resource at AWS, whatever the catalog and the stack: closed, encrypted, nothing gets lost."""

import json

from millrace import aws_names

from infra.offline_engine.kinds import require_known
from infra.offline_engine.recording import Recording
from tests.unit.infra.aws import graph
from tests.unit.infra.aws.graph import all_statements, of, statements

PREFIX = "millrace-test"


def test_no_policy_names_everything(any_recording: Recording) -> None:
    """But for the streams of a function's own log group, and a key's own policy, where `*` is the key itself."""
    seen = 0
    for resource, statement in all_statements(any_recording):
        seen += 1
        assert not [action for action in statement["Action"] if "*" in action], resource.name
        named = statement.get("Resource", [])
        for each in [named] if isinstance(named, str) else named:
            own_log = each.startswith(graph.arn("logs", f"log-group:/aws/lambda/{PREFIX}-")) and each.endswith(
                ":log-stream:*"
            )
            assert "*" not in each or own_log or resource.type == graph.KEY, (resource.name, each)
    assert seen > 10


def test_nothing_is_public(any_recording: Recording) -> None:
    """Whoever is let in is a service of AWS for sources of ours, or this account; everybody is only ever refused."""
    for resource, statement in all_statements(any_recording):
        who = statement.get("Principal")
        if who is None or statement["Effect"] == "Deny":
            continue
        if resource.type == graph.ROLE:
            assert who == {"Service": "lambda.amazonaws.com"}
        elif "Service" in who:
            assert statement["Condition"], (resource.name, "any account's SNS may use it")
        else:
            assert who == {"AWS": graph.arn("iam", "root", region="")}


def test_functions_are_called_by_their_own_topic_only(any_recording: Recording) -> None:
    for permission in of(any_recording, graph.PERMISSION).values():
        assert permission["principal"] == "sns.amazonaws.com"
        assert permission["sourceArn"] == graph.arn("sns", "MyTopic")


def test_every_queue_is_written_to_by_its_own_topics_only(any_recording: Recording) -> None:
    subscribed: dict[str, set[str]] = {}
    for one in of(any_recording, graph.SUBSCRIPTION).values():
        for queue in (one["endpoint"], json.loads(one["redrivePolicy"])["deadLetterTargetArn"]):
            subscribed.setdefault(queue, set()).add(one["topic"])
    queues = of(any_recording, graph.QUEUE)
    for name, queue in queues.items():
        (allowed,) = [one for one in statements(queue["policy"]).values() if one["Effect"] == "Allow"]
        assert allowed["Action"] == ["sqs:SendMessage"]
        assert allowed["Principal"] == {"Service": "sns.amazonaws.com"}
        assert set(allowed["Condition"]["ArnEquals"]["aws:SourceArn"]) == subscribed[graph.arn("sqs", name)]


def test_queues_and_topics_refuse_who_comes_without_tls(any_recording: Recording) -> None:
    for type_, service in ((graph.QUEUE, "sqs"), (graph.TOPIC, "sns")):
        there = of(any_recording, type_)
        assert there
        for name, one in there.items():
            refused = statements(one["policy"])["TlsOnly"]
            assert refused["Effect"] == "Deny"
            assert refused["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            assert refused["Resource"] == graph.arn(service, name)
            wanted = {"sns:Publish"} if service == "sns" else {"sqs:SendMessage", "sqs:ReceiveMessage"}
            assert wanted <= set(refused["Action"])


def test_all_is_encrypted(any_recording: Recording) -> None:
    for queue in of(any_recording, graph.QUEUE).values():
        # One of the two, never both, and never the key under which SNS cannot write.
        assert (queue.get("sqsManagedSseEnabled") is True) != bool(queue.get("kmsMasterKeyId"))
        assert queue.get("kmsMasterKeyId") != "alias/aws/sqs"
    for topic in of(any_recording, graph.TOPIC).values():
        assert topic["kmsMasterKeyId"]
    for table in of(any_recording, graph.TABLE).values():
        assert table["serverSideEncryption"]["enabled"] is True


def test_what_can_not_be_delivered_or_is_given_back_too_often_is_kept(any_recording: Recording) -> None:
    queues, subscriptions = of(any_recording, graph.QUEUE), of(any_recording, graph.SUBSCRIPTION)
    dead = {name for name in queues if name.endswith("-dead")}
    for name in queues.keys() - dead:
        redrive = json.loads(queues[name]["redrivePolicy"])
        assert redrive["deadLetterTargetArn"] == graph.arn("sqs", aws_names.dead_queue(name))
        assert redrive["maxReceiveCount"] >= 10
        assert aws_names.dead_queue(name) in dead
    for subscription in subscriptions.values():
        target = json.loads(subscription["redrivePolicy"])["deadLetterTargetArn"]
        assert target.split(":")[-1] in dead
        if subscription["protocol"] == "sqs":
            assert target == aws_names.dead_queue(subscription["endpoint"]), "the same as the queue's own"
    assert all(queue["messageRetentionSeconds"] == 14 * 24 * 3600 for queue in queues.values())


def test_every_queue_that_is_read_has_an_alarm_on_age_and_one_on_dead_letters(any_recording: Recording) -> None:
    """A letter lies there for seconds, once a minute it is counted: that it was taken out rings too."""
    alarms: dict[str, list[tuple[object, ...]]] = {}
    for one in of(any_recording, graph.ALARM).values():
        about = (one["metricName"], one["statistic"], one["threshold"], one["comparisonOperator"])
        alarms.setdefault(one["dimensions"]["QueueName"], []).append(about)
    assert alarms.keys() == of(any_recording, graph.QUEUE).keys()
    for name, its in alarms.items():
        if name.endswith("-dead"):
            assert sorted(its) == [
                ("ApproximateNumberOfMessagesVisible", "Maximum", 0, "GreaterThanThreshold"),
                ("NumberOfMessagesReceived", "Sum", 0, "GreaterThanThreshold"),
            ]
        else:
            assert its == [("ApproximateAgeOfOldestMessage", "Maximum", 300, "GreaterThanThreshold")]


def test_tables_can_be_restored_and_are_not_deleted_by_mistake(any_recording: Recording) -> None:
    tables = of(any_recording, graph.TABLE)
    assert tables.keys() == {f"{PREFIX}-ledger-inbox", f"{PREFIX}-outbox"}
    for table in tables.values():
        assert table["pointInTimeRecovery"] == {"enabled": True}
        assert table["deletionProtectionEnabled"] is True
        assert table["billingMode"] == "PAY_PER_REQUEST"


def test_the_offline_engine_knows_all_of_it(any_recording: Recording) -> None:
    require_known(any_recording.resources)


def test_resources_are_called_as_they_are_at_aws(any_recording: Recording) -> None:
    """Plain names: a replaced resource replaces no other."""
    for resource in any_recording.resources:
        if resource.type.startswith("aws:") and "name" in resource.inputs:
            assert resource.name == resource.inputs["name"]
            assert PREFIX in resource.name or resource.name == "MyTopic"
