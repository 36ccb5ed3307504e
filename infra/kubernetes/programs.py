"""Every process of a stack, and as whom it talks to the broker; as operations.local.fleet has it on one machine."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from millrace import names as at_broker
from millrace.declarations import WorkerGroup
from millrace.derived import memory_bound, processes, timing

from infra.aws.settings import AwsSettings
from infra.broker_user import BrokerUser
from infra.group import Group
from infra.kubernetes import names, network
from infra.kubernetes.cluster import Cluster
from infra.kubernetes.program import PROBE_PORT, SERVICE_CPU, Program

#: The kubelet asks from outside the pod.
PROBES = {"MILLRACE_METRICS_PORT": str(PROBE_PORT), "MILLRACE_METRICS_ADDRESS": "0.0.0.0"}  # noqa: S104 (the pod's own)
RELAYS = 2
HTTPS_PORT = 443
#: A worker that uses more than it may ends itself when it has finished what it runs; the kernel, which would kill it at
#: once, leaves it room for that.
MEMORY_ROOM = 1.25
ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class Programs:
    """The programs of one stack; `users` are the broker's, by name."""

    cluster: Cluster
    users: Mapping[str, BrokerUser]

    def own_user(self, purpose: str) -> BrokerUser:
        """The broker's user for one of Millrace's own processes."""
        return self.users[at_broker.own_user(self.cluster.vhost, purpose)]

    def broker_url(self, user: BrokerUser) -> pulumi.Output[str]:
        """The broker, as this user."""
        return self.cluster.settings.broker.amqp_url(self.cluster.vhost, user.name, user.password)

    def worker(self, group: WorkerGroup, at_the_broker: Group) -> Program:
        """A group's worker; KEDA counts them."""
        settings = self.cluster.settings
        in_pool = processes(group, settings.concurrency)
        user, monitor = self.users[at_broker.group_user(self.cluster.vhost, group.name)], self.own_user("monitor")
        return Program(
            name=names.worker(group.name),
            command=names.module("workers", group.name),
            secrets={
                "MILLRACE_BROKER_URL": self.broker_url(user),
                "MILLRACE_DATABASE_URL": settings.database_url,
                "MILLRACE_MONITORING_URL": settings.broker.monitoring_url(monitor.name, monitor.password),
                "MILLRACE_SMTP_URL": settings.smtp_url,
            },
            environment={**PROBES, "MILLRACE_CONCURRENCY": str(settings.concurrency)},
            egress=[
                network.to_broker(settings.broker),
                *network.to_reaches((*settings.database, *settings.reaches.get(group.name, ()))),
            ],
            after=[*at_the_broker.stamps, *user.parts, *monitor.parts],
            memory=math.ceil(memory_bound(group, in_pool) * MEMORY_ROOM),
            cpu=SERVICE_CPU * in_pool,
            grace=timing(group).grace,
            replicas=None,
        )

    def relay(self) -> Program:
        """The outbox relay; several share the work by claims."""
        return self._service(names.RELAY, "workers.relay", "relay", replicas=RELAYS)

    def keeper(self) -> Program:
        """The keeper: two would store the same stream side by side, so the next one comes when the last has gone."""
        return self._service(names.KEEPER, "workers.keeper", "keeper", alone=True)

    def at_the_door(self, name: str, aws: AwsSettings) -> Program:
        """A process at the AWS door, which has the IAM role of its own that is named after stack and process."""
        module, purpose = names.AWS_DOOR[name]
        environment = {"MILLRACE_AWS_REGION": aws.region, "MILLRACE_AWS_ACCOUNT": aws.account}
        role = f"arn:aws:iam::{aws.account}:role/{self.cluster.vhost}-{name}"
        return self._service(name, module, purpose, environment=environment, role=role, to_aws=True)

    def _service(
        self,
        name: str,
        module: str,
        purpose: str,
        *,
        environment: Mapping[str, str] | None = None,
        replicas: int = 1,
        alone: bool = False,
        role: str | None = None,
        to_aws: bool = False,
    ) -> Program:
        settings, user = self.cluster.settings, self.own_user(purpose)
        egress = [network.to_broker(settings.broker), *network.to_reaches(settings.database)]
        if to_aws:
            egress.append(network.to_networks([ANYWHERE], [HTTPS_PORT]))
        return Program(
            name=name,
            command=names.module(module),
            secrets={"MILLRACE_BROKER_URL": self.broker_url(user), "MILLRACE_DATABASE_URL": settings.database_url},
            environment={**PROBES, **(environment or {})},
            egress=egress,
            after=user.parts,
            replicas=replicas,
            alone=alone,
            role=role,
        )
