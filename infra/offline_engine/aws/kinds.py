"""Every resource type at AWS that the engine applies."""

from collections.abc import Mapping

from infra.offline_engine.aws.functions import EventSourceKind, FunctionKind, PermissionKind
from infra.offline_engine.aws.identity import PolicyKind, RoleKind, RolePolicyKind
from infra.offline_engine.aws.keys import AliasKind, KeyKind
from infra.offline_engine.aws.kind import AwsKind
from infra.offline_engine.aws.queues import QueueKind
from infra.offline_engine.aws.tables import TableKind
from infra.offline_engine.aws.topics import SubscriptionKind, TopicKind
from infra.offline_engine.aws.watching import AlarmKind, LogGroupKind

AWS = "aws:"
AWS_KINDS: Mapping[str, AwsKind] = {
    "aws:cloudwatch/logGroup:LogGroup": LogGroupKind(),
    "aws:cloudwatch/metricAlarm:MetricAlarm": AlarmKind(),
    "aws:dynamodb/table:Table": TableKind(),
    "aws:iam/policy:Policy": PolicyKind(),
    "aws:iam/role:Role": RoleKind(),
    "aws:iam/rolePolicy:RolePolicy": RolePolicyKind(),
    "aws:kms/alias:Alias": AliasKind(),
    "aws:kms/key:Key": KeyKind(),
    "aws:lambda/eventSourceMapping:EventSourceMapping": EventSourceKind(),
    "aws:lambda/function:Function": FunctionKind(),
    "aws:lambda/permission:Permission": PermissionKind(),
    "aws:sns/topic:Topic": TopicKind(),
    "aws:sns/topicSubscription:TopicSubscription": SubscriptionKind(),
    "aws:sqs/queue:Queue": QueueKind(),
}
