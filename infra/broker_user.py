"""One broker user: a random password, and the least permissions that its purpose needs."""

import pulumi
import pulumi_rabbitmq as rabbitmq
import pulumi_random as random
from millrace.broker_parts import User

from infra.virtual_host import VirtualHost

PASSWORD_LENGTH = 40


class BrokerUser(pulumi.ComponentResource):
    """A user with its permissions on the stack's vhost; `password` is secret, `parts` is all that was made."""

    def __init__(self, user: User, host: VirtualHost, *, parent: pulumi.Resource | None = None) -> None:
        opts = pulumi.ResourceOptions(parent=parent or host)
        super().__init__("millrace:infra:BrokerUser", user.name, None, opts)
        self.name = user.name
        own = pulumi.ResourceOptions(parent=self, additional_secret_outputs=["result", "bcryptHash"])
        password = random.RandomPassword(user.name, length=PASSWORD_LENGTH, special=False, opts=own)
        self.password = password.result
        account = rabbitmq.User(
            user.name,
            name=user.name,
            password=password.result,
            tags=list(user.tags),
            opts=pulumi.ResourceOptions(parent=self),
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[host.ready, account])
        self.parts: list[pulumi.Resource] = [account, *self._topics(user, host, after)]
        # Topic permissions first: without them a topic exchange takes every key from who may write to it.
        last = pulumi.ResourceOptions(parent=self, depends_on=[host.ready, *self.parts])
        allowed = rabbitmq.PermissionsPermissionsArgs(configure=user.configure, write=user.write, read=user.read)
        self.parts.append(
            rabbitmq.Permissions(user.name, user=user.name, vhost=host.name, permissions=allowed, opts=last)
        )
        self.register_outputs({"name": self.name, "password": self.password})

    def _topics(self, user: User, host: VirtualHost, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
        if not user.topics:
            return []
        permissions = [
            rabbitmq.TopicPermissionsPermissionArgs(exchange=topic.exchange, write=topic.write, read="^$")
            for topic in user.topics
        ]
        return [
            rabbitmq.TopicPermissions(user.name, user=user.name, vhost=host.name, permissions=permissions, opts=opts)
        ]
