"""Everything of the catalog that lies at AWS."""

import pulumi
from millrace import aws_names
from millrace.aws_derived import INGRESS_MAX_RECEIVES, INGRESS_VISIBILITY_SECONDS
from millrace.declarations import Catalog, PlainFunction

from infra.aws.access import Access
from infra.aws.account import Account
from infra.aws.function import GroupFunction
from infra.aws.plain_function import DeployedFunction
from infra.aws.queue import SubscribedQueue
from infra.aws.settings import AwsSettings
from infra.aws.table import outbox
from infra.aws.topic import EventTopic


def aws_door(catalog: Catalog, settings: AwsSettings, prefix: str, *, protect: bool) -> None:
    """Declare topics, the queues of public ones, functions, and who may do what; exports where they are."""
    account = Account(settings, prefix, protect=protect)
    topics = {
        event.type: EventTopic(aws_names.topic(prefix, event), account)
        for event in catalog.events
        if event.public or event.forwarded
    }
    for event in (one for one in catalog.events if one.public):
        SubscribedQueue(
            aws_names.ingress_queue(prefix, event.type),
            [topics[event.type]],
            account,
            visibility=INGRESS_VISIBILITY_SECONDS,
            max_receives=INGRESS_MAX_RECEIVES,
        )
    _functions(catalog, topics, account)
    pulumi.export("awsTopics", {type_: topic.arn for type_, topic in topics.items()})
    pulumi.export("awsPolicies", Access(catalog, account).arns)


def _functions(catalog: Catalog, topics: dict[str, EventTopic], account: Account) -> None:
    shared = outbox(account) if any(not group.database for group in catalog.lambda_groups) else None
    for function in catalog.functions:
        its = [topics[type_] for type_ in function.handled_types]
        if isinstance(function, PlainFunction):
            DeployedFunction(function, its[0], account)
        else:
            GroupFunction(function, its, account, None if function.database else shared)
