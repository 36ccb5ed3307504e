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
    """Rings when anything lies in a dead-letter queue."""
    _alarm(dead, "letters", "ApproximateNumberOfMessagesVisible", 0, f"dead letters in {dead}", account, parent)


def _alarm(
    queue: str, word: str, metric: str, threshold: int, description: str, account: Account, parent: pulumi.Resource
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
        statistic="Maximum",
        period=PERIOD_SECONDS,
        evaluation_periods=1,
        comparison_operator="GreaterThanThreshold",
        threshold=threshold,
        treat_missing_data="notBreaching",
        alarm_actions=[topic] if topic else [],
        opts=pulumi.ResourceOptions(parent=parent),
    )
