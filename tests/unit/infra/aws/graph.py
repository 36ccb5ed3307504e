"""Ways to look at the resources of a recording."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.offline_engine.recording import Recording
from infra.offline_engine.resources import Inputs, Resource

QUEUE = "aws:sqs/queue:Queue"
TOPIC = "aws:sns/topic:Topic"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
TABLE = "aws:dynamodb/table:Table"
FUNCTION = "aws:lambda/function:Function"
PERMISSION = "aws:lambda/permission:Permission"
EVENT_SOURCE = "aws:lambda/eventSourceMapping:EventSourceMapping"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
POLICY = "aws:iam/policy:Policy"
KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"
Statement = Mapping[str, Any]


def of(recording: Recording, type_: str) -> dict[str, Inputs]:
    """The inputs of the resources of a type, by name."""
    return {one.name: one.inputs for one in recording.resources if one.type == type_}


def arn(service: str, resource: str, *, region: str = "us-east-1") -> str:
    return f"arn:aws:{service}:{region}:123456789012:{resource}"


def statements(policy: str) -> dict[str, Statement]:
    """A policy's statements by their names."""
    return {one["Sid"]: one for one in json.loads(policy)["Statement"]}


def all_statements(recording: Recording) -> Iterator[tuple[Resource, Statement]]:
    """Every statement of every policy that is declared at AWS."""
    for resource in recording.resources:
        if resource.type.startswith("aws:"):
            for name in ("policy", "assumeRolePolicy"):
                for one in json.loads(resource.inputs.get(name) or '{"Statement": []}')["Statement"]:
                    yield resource, one
