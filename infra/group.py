"""What one worker group has: queue, dead letters, bindings, policies, user, stamps."""

import pulumi
from millrace import topology
from millrace.broker_parts import Topology
from millrace.declarations import Catalog, WorkerGroup

from infra.broker_user import BrokerUser
from infra.virtual_host import VirtualHost


class Group(pulumi.ComponentResource):
    """One worker group; its stamps come last, because workers take them as the sign that the rest is there."""

    def __init__(self, group: WorkerGroup, catalog: Catalog, host: VirtualHost) -> None:
        super().__init__("millrace:infra:Group", group.name, None, pulumi.ResourceOptions(parent=host))
        part = topology.group_topology(catalog, group, host.name)
        made = host.place(part, parent=self)
        self.users = [BrokerUser(user, host, parent=self) for user in part.users]
        made += [resource for user in self.users for resource in user.parts]
        # Each stamp after all else would be a number of dependencies that grows with the square of the events.
        first, *others = topology.stamps(catalog, group).exchanges
        gate = host.place(Topology(exchanges=(first,)), parent=self, after=made)
        #: What says that all of the group is there.
        self.stamps = [*gate, *host.place(Topology(exchanges=tuple(others)), parent=self, after=gate)]
        self.register_outputs({"users": [user.name for user in self.users]})
