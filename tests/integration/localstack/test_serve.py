"""LocalStack without Docker, as `make up` starts it: what Millrace needs of it is there, and is apart per account."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import psutil

from tests.dynamodb_server import make_table
from tests.localstack_server import Aws, fresh_account


def test_what_is_published_to_a_topic_is_in_the_queue_that_subscribed_to_it(aws: Aws) -> None:
    with closing(aws.client("sns")) as sns, closing(aws.client("sqs")) as sqs:
        topic = sns.create_topic(Name="MyTopic")["TopicArn"]
        assert topic == f"arn:aws:sns:us-east-1:{aws.account}:MyTopic"
        queue = sqs.create_queue(QueueName="in")["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:{aws.account}:in"
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        said = sns.publish(TopicArn=topic, Message="hello")["MessageId"]
        [message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    body = json.loads(message["Body"])
    assert (body["Message"], body["MessageId"], body["TopicArn"]) == ("hello", said, topic)


def test_of_many_that_write_on_a_condition_at_a_time_one_succeeds(aws: Aws) -> None:
    with closing(aws.client("dynamodb")) as dynamodb:
        make_table(dynamodb, "t", "key")

        def put(number: int) -> bool:
            condition = {"ConditionExpression": "attribute_not_exists(#k)", "ExpressionAttributeNames": {"#k": "key"}}
            try:
                dynamodb.put_item(TableName="t", Item={"key": {"S": str(number % 20)}}, **condition)
            except dynamodb.exceptions.ConditionalCheckFailedException:
                return False
            return True

        with ThreadPoolExecutor(10) as many:
            won = list(many.map(put, range(200)))
    assert won.count(True) == 20


def test_accounts_see_nothing_of_each_other(aws: Aws) -> None:
    other = fresh_account(aws.endpoint)
    with closing(aws.client("sqs")) as mine, closing(other.client("sqs")) as theirs:
        mine.create_queue(QueueName="only-mine")
        assert "QueueUrls" not in theirs.list_queues()


def test_it_listens_on_loopback_only(localstack: str) -> None:
    port = urlsplit(localstack).port
    listening = {
        one.laddr.ip for one in psutil.net_connections("tcp") if one.status == "LISTEN" and one.laddr.port == port
    }
    assert listening == {"127.0.0.1"}
