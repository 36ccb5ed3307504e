"""What Millrace's own processes may do at AWS: one IAM policy each, to be attached to what they run as."""

from collections.abc import Iterable, Sequence

import pulumi
import pulumi_aws as aws
from millrace import aws_names
from millrace.declarations import Catalog

from infra.aws.account import Account
from infra.aws.statements import DECRYPT, ENCRYPT, RECEIVE, SEND, Statement, allow, document

TAKE = (*RECEIVE, "sqs:GetQueueUrl")
SEND_BY_NAME = ("sqs:GetQueueUrl", *SEND)
#: An IAM policy has at most 6,144 characters (white space aside): so many for ARNs leave room for all else.
ARNS_PER_POLICY = 5_000


class Access(pulumi.ComponentResource):
    """The policies of ingress, egress and relay; `arns` has those that there are, by process.

    Each names what it is about, one by one: a pattern would take in what somebody else calls by the same beginning.
    """

    def __init__(self, catalog: Catalog, account: Account) -> None:
        opts = pulumi.ResourceOptions(parent=account)
        super().__init__("millrace:infra:Access", f"{account.prefix}-access", None, opts)
        self.arns: dict[str, list[str]] = {}
        for process, statements in (
            ("ingress", list(_ingress(catalog, account))),
            ("egress", list(_egress(catalog, account))),
            ("relay", list(_relay(catalog, account))),
        ):
            for part, some in enumerate(_parts(statements), start=1):
                self._policy(process, part, some, account)
        self.register_outputs({"arns": self.arns})

    def _policy(self, process: str, part: int, statements: Sequence[Statement], account: Account) -> None:
        name = aws_names.access_policy(account.prefix, process, part)
        aws.iam.Policy(name, name=name, policy=document(statements), opts=pulumi.ResourceOptions(parent=self))
        arn = aws_names.arn("iam", "", account.settings.account, f"policy/{name}")
        self.arns.setdefault(process, []).append(arn)


def _parts(statements: Sequence[Statement]) -> list[list[Statement]]:
    """The statements, shared out so that each part fits into one policy."""
    parts: list[list[Statement]] = []
    room = 0
    for statement in statements:
        some: list[pulumi.Input[str]] = []
        for resource in statement["Resource"]:
            size = _size(resource)
            if size > room:
                if some:
                    parts[-1].append({**statement, "Resource": some})
                parts.append([])
                some, room = [], ARNS_PER_POLICY
            some.append(resource)
            room -= size
        parts[-1].append({**statement, "Resource": some})
    return parts


def _size(resource: pulumi.Input[str]) -> int:
    """How many characters an ARN takes in a policy; that of a key, which is known only once it is made, takes 75."""
    return (len(resource) if isinstance(resource, str) else 75) + len('"", ')


def _ingress(catalog: Catalog, account: Account) -> Iterable[Statement]:
    """It takes events from the doors' queues, and moves the dead letters of all queues to RabbitMQ."""
    doors = [aws_names.ingress_queue(account.prefix, event.type) for event in catalog.events if event.public]
    functions = [aws_names.function_queue(account.prefix, one.name) for one in catalog.functions]
    queues = [*doors, *map(aws_names.dead_queue, (*doors, *functions))]
    if queues:
        yield allow("Take", TAKE, [account.queue_arn(queue) for queue in queues])
        yield from account.key_use(DECRYPT)


def _egress(catalog: Catalog, account: Account) -> Iterable[Statement]:
    """It sends forwarded events to their topics, and what goes to one function only to that one's queue."""
    topics = [aws_names.topic(account.prefix, event) for event in catalog.events if event.forwarded]
    if topics:
        yield allow("Forward", ("sns:Publish",), [account.arn("sns", topic) for topic in topics])
    queues = _function_queues(catalog, account)
    if queues:
        yield allow("Give", SEND_BY_NAME, [account.queue_arn(queue) for queue in queues])
    if topics or queues:
        yield from account.key_use(ENCRYPT)


def _relay(catalog: Catalog, account: Account) -> Iterable[Statement]:
    """It sends what functions published, oldest first, and deletes it then."""
    if any(not group.database for group in catalog.lambda_groups):
        outbox = account.table_arn(aws_names.outbox_table(account.prefix))
        yield allow("Relay", ("dynamodb:BatchWriteItem", "dynamodb:Query"), [outbox])
        yield from account.key_use(DECRYPT)


def _function_queues(catalog: Catalog, account: Account) -> list[str]:
    """Those that there are: a plain function in Lambda is called by SNS itself."""
    with_queue = catalog.lambda_groups if account.settings.lambda_service else catalog.functions
    return [aws_names.function_queue(account.prefix, one.name) for one in with_queue]
