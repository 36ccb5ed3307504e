"""The stack's vhost, and the broker objects made in it."""

import json
from collections.abc import Sequence

import pulumi
import pulumi_rabbitmq as rabbitmq
from millrace.broker_parts import Binding, Exchange, Policy, Queue, Topology

from infra.settings import Settings


class VirtualHost(pulumi.ComponentResource):
    """One vhost with the administrator's permission on it, without which nothing can be made inside.

    Names are given as plain text and order by `depends_on`: were they outputs of other resources, replacing one
    resource would replace all that name it, queues with their messages among them.
    """

    def __init__(self, settings: Settings, *, provider: rabbitmq.Provider) -> None:
        opts = pulumi.ResourceOptions(providers=[provider])
        super().__init__("millrace:infra:VirtualHost", settings.vhost, None, opts)
        self.name = settings.vhost
        vhost = rabbitmq.VHost(
            self.name,
            name=self.name,
            opts=pulumi.ResourceOptions(parent=self, protect=settings.protect),
        )
        everything = rabbitmq.PermissionsPermissionsArgs(configure=".*", write=".*", read=".*")
        self.ready = rabbitmq.Permissions(
            settings.username,
            user=settings.username,
            vhost=self.name,
            permissions=everything,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[vhost]),
        )
        self._exchanges: dict[str, pulumi.Resource] = {}
        self._queues: dict[str, pulumi.Resource] = {}
        self._policies: dict[str, pulumi.Resource] = {}
        self.register_outputs({"name": self.name})

    def place(
        self, part: Topology, *, parent: pulumi.Resource, after: Sequence[pulumi.Resource] = ()
    ) -> list[pulumi.Resource]:
        """Make the part's exchanges, queues, bindings and policies as children of `parent`; users are not made.

        A policy comes before what it governs, so that no queue is ever without its own.
        """
        before = [self.ready, *after]
        made = [self._policy(policy, parent, before) for policy in part.policies]
        made += [self._exchange(exchange, parent, before) for exchange in part.exchanges]
        made += [self._queue(queue, parent, before) for queue in part.queues]
        return made + [self._binding(binding, parent, before) for binding in part.bindings]

    def _policy(self, policy: Policy, parent: pulumi.Resource, before: list[pulumi.Resource]) -> pulumi.Resource:
        made = rabbitmq.Policy(
            policy.name,
            name=policy.name,
            vhost=self.name,
            policy=rabbitmq.PolicyPolicyArgs(
                pattern=policy.pattern,
                priority=0,
                apply_to=policy.apply_to,
                definition={key: str(value) for key, value in policy.definition.items()},
            ),
            opts=pulumi.ResourceOptions(parent=parent, depends_on=before),
        )
        self._policies[policy.target] = made
        return made

    def _governed(self, name: str, before: list[pulumi.Resource]) -> list[pulumi.Resource]:
        return [*before, self._policies[name]] if name in self._policies else before

    def _exchange(self, exchange: Exchange, parent: pulumi.Resource, before: list[pulumi.Resource]) -> pulumi.Resource:
        made = rabbitmq.Exchange(
            exchange.name,
            name=exchange.name,
            vhost=self.name,
            settings=rabbitmq.ExchangeSettingsArgs(type=exchange.kind, durable=True, auto_delete=False),
            opts=pulumi.ResourceOptions(parent=parent, depends_on=self._governed(exchange.name, before)),
        )
        self._exchanges[exchange.name] = made
        return made

    def _queue(self, queue: Queue, parent: pulumi.Resource, before: list[pulumi.Resource]) -> pulumi.Resource:
        arguments = {"x-queue-type": queue.kind, **queue.arguments}
        made = rabbitmq.Queue(
            queue.name,
            name=queue.name,
            vhost=self.name,
            settings=rabbitmq.QueueSettingsArgs(
                durable=True, auto_delete=False, arguments_json=json.dumps(arguments, sort_keys=True)
            ),
            # A queue that left the program stays with its messages, and one that would be replaced is
            # not deleted first: the broker then refuses the new one (docs/decisions/0201).
            opts=pulumi.ResourceOptions(
                parent=parent,
                depends_on=self._governed(queue.name, before),
                retain_on_delete=True,
                delete_before_replace=False,
            ),
        )
        self._queues[queue.name] = made
        return made

    def _binding(self, binding: Binding, parent: pulumi.Resource, before: list[pulumi.Resource]) -> pulumi.Resource:
        ends = self._exchanges if binding.to_exchange else self._queues
        kind = "exchange" if binding.to_exchange else "queue"
        return rabbitmq.Binding(
            f"{binding.source} -{binding.key}-> {kind} {binding.destination}",
            source=binding.source,
            destination=binding.destination,
            destination_type=kind,
            routing_key=binding.key,
            vhost=self.name,
            opts=pulumi.ResourceOptions(
                parent=parent,
                depends_on=[*before, self._exchanges[binding.source], ends[binding.destination]],
            ),
        )
