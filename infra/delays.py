"""Celery's native delay levels, through which retries wait."""

import pulumi
from millrace import topology

from infra.virtual_host import VirtualHost


class Delays(pulumi.ComponentResource):
    """The binary delay levels, each an exchange and a queue."""

    def __init__(self, host: VirtualHost) -> None:
        super().__init__("millrace:infra:Delays", "delays", None, pulumi.ResourceOptions(parent=host))
        host.place(topology.delays(), parent=self)
        self.register_outputs({})
