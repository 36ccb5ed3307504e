"""Alarms about queues."""

import pulumi
import pulumi_aws as aws
from millrace import aws_names
from millrace.aws_derived import LATE_SECONDS

from infra.aws.account import Account

PERIOD_SECONDS = 60


def late_alarm(queue: str, account: Account, parent: pulumi.Resource) -> None:
    """Rings when the oldest message of a queue has waited for too long."""
    what = f"the oldest message in {queue} has waited for more than {LATE_SECONDS} s"
    _alarm(queue, "late", "ApproximateAgeOfOldestMessage", LATE_SECONDS, what, account, parent)


def dead_alarm(dead: str, account: Account, parent: pulumi.Resource) -> None:
    """Ring when anything lies in a dead-letter queue, and when the ingress has taken something out of it.

    What lies there is counted once a minute: of what the ingress takes within seconds, the first alarm seldom knows.
    """
    _alarm(dead, "letters", "ApproximateNumberOfMessagesVisible", 0, f"dead letters lie in {dead}", account, parent)
    what = f"dead letters of {dead} were taken to the letters: `millrace dead-letters list` and `rejected list`"
    _alarm(dead, "taken", "NumberOfMessagesReceived", 0, what, account, parent, statistic="Sum")


def _alarm(
    queue: str,
    word: str,
    metric: str,
    threshold: int,
    description: str,
    account: Account,
    parent: pulumi.Resource,
    *,
    statistic: str = "Maximum",
) -> None:
    name = aws_names.alarm(queue, word)
    topic = account.settings.alarm_topic
    aws.cloudwatch.MetricAlarm(
        name,
        name=name,
        alarm_description=description,
        namespace="AWS/SQS",
        metric_name=metric,
        dimensions={"QueueName": queue},
        statistic=statistic,
        period=PERIOD_SECONDS,
        evaluation_periods=1,
        comparison_operator="GreaterThanThreshold",
        threshold=threshold,
        treat_missing_data="notBreaching",
        alarm_actions=[topic] if topic else [],
        opts=pulumi.ResourceOptions(parent=parent),
    )
