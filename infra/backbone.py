"""What every stack has once: doors, log, parking, delays, and Millrace's own users."""

import pulumi
from millrace import topology
from millrace.declarations import Catalog

from infra.broker_user import BrokerUser
from infra.virtual_host import VirtualHost


class Backbone(pulumi.ComponentResource):
    """The exchanges, transit queues and users that belong to no group."""

    def __init__(self, catalog: Catalog, host: VirtualHost) -> None:
        super().__init__("millrace:infra:Backbone", "backbone", None, pulumi.ResourceOptions(parent=host))
        part = topology.backbone(catalog, host.name) + topology.aws_door(catalog, host.name)
        host.place(part, parent=self)
        self.users = [BrokerUser(user, host, parent=self) for user in part.users]
        self.register_outputs({"users": [user.name for user in self.users]})
