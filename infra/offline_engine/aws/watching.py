"""The kinds of CloudWatch: alarms and log groups."""

from typing import Any

from infra.offline_engine.aws.clients import Clients, or_none
from infra.offline_engine.aws.kind import AwsKind
from infra.offline_engine.live import Key, Record
from infra.offline_engine.resources import Inputs

#: Inputs and the parts of an alarm that they are.
TEXTS = {
    "alarmDescription": "AlarmDescription",
    "namespace": "Namespace",
    "metricName": "MetricName",
    "statistic": "Statistic",
    "comparisonOperator": "ComparisonOperator",
    "treatMissingData": "TreatMissingData",
}
WHOLE = {"period": "Period", "evaluationPeriods": "EvaluationPeriods"}


class AlarmKind(AwsKind):
    """aws.cloudwatch.MetricAlarm."""

    word = "alarm"
    accepts = frozenset({"name", *TEXTS, *WHOLE, "threshold", "dimensions.QueueName", "alarmActions"})

    def key(self, inputs: Inputs) -> Key:
        return (inputs["name"],)

    def wanted(self, inputs: Inputs) -> Record:
        dimensions = [{"Name": name, "Value": value} for name, value in sorted(inputs["dimensions"].items())]
        return {
            **{name: inputs[one] for one, name in TEXTS.items()},
            **{name: int(inputs[one]) for one, name in WHOLE.items()},
            "Threshold": float(inputs["threshold"]),
            "Dimensions": dimensions,
            "AlarmActions": list(inputs.get("alarmActions") or ()),
        }

    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        found = aws("cloudwatch").describe_alarms(AlarmNames=[inputs["name"]])["MetricAlarms"]
        return found[0] if found else None

    def write(self, inputs: Inputs, aws: Clients) -> None:
        aws("cloudwatch").put_metric_alarm(AlarmName=inputs["name"], **self.wanted(inputs))

    def remove(self, inputs: Inputs, aws: Clients) -> None:
        aws("cloudwatch").delete_alarms(AlarmNames=[inputs["name"]])


class LogGroupKind(AwsKind):
    """aws.cloudwatch.LogGroup; its key, which is not given back as it was set, is set when it is made."""

    word = "log group"
    accepts = frozenset({"name", "retentionInDays", "kmsKeyId"})

    def key(self, inputs: Inputs) -> Key:
        return (inputs["name"],)

    def wanted(self, inputs: Inputs) -> Record:
        return {"retentionInDays": int(inputs["retentionInDays"])}

    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        groups: list[dict[str, Any]] = aws("logs").describe_log_groups(logGroupNamePrefix=inputs["name"])["logGroups"]
        # Of names that begin so, this one comes first.
        return groups[0] if groups and groups[0]["logGroupName"] == inputs["name"] else None

    def write(self, inputs: Inputs, aws: Clients) -> None:
        client, name = aws("logs"), inputs["name"]
        if self.actual(inputs, aws) is None:
            encryption = {"kmsKeyId": inputs["kmsKeyId"]} if inputs.get("kmsKeyId") else {}
            client.create_log_group(logGroupName=name, **encryption)
        client.put_retention_policy(logGroupName=name, retentionInDays=int(inputs["retentionInDays"]))

    def remove(self, inputs: Inputs, aws: Clients) -> None:
        or_none(aws("logs").delete_log_group, logGroupName=inputs["name"])
