"""Which broker the workers on Kubernetes have: one that is there, or one that the cluster operator makes."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import pulumi

from infra.kubernetes import names
from infra.kubernetes.addresses import Address, addresses, http_address, networks
from infra.refusal import Refused

AMQPS_PORT, MANAGEMENT_TLS_PORT = 5671, 15671
#: A quorum needs an odd number; with more nodes than seven each message is copied too often.
SIZES = (0, 3, 5, 7)
LEAST_MEMORY, LEAST_DISK = 1024, 5


@dataclass(frozen=True, kw_only=True)
class BrokerSettings:
    """Where the broker is as pods reach it; `nodes` is 0 for one that is there already.

    `certificate` is the Secret whose `ca.crt` its certificate is checked by; empty for the public authorities.
    `memory` (MiB) and `disk` (GiB) are of each node of a broker of the stack's own.
    """

    nodes: int
    amqp: tuple[Address, ...]
    tls: bool
    management_scheme: str
    management: Address
    networks: tuple[str, ...]
    certificate: str
    memory: int
    disk: int

    @classmethod
    def load(cls, config: pulumi.Config, namespace: str) -> "BrokerSettings":
        """Read them; raises Refused, pulumi.ConfigMissingError or ConfigTypeError."""
        nodes = config.require_int("brokerNodes")
        if nodes not in SIZES:
            raise Refused(f"brokerNodes must be 0 (a broker that is there) or an odd size: 3, 5 or 7, got {nodes}")
        return cls._own(config, namespace, nodes) if nodes else cls._there(config)

    @classmethod
    def _there(cls, config: pulumi.Config) -> "BrokerSettings":
        scheme, management = http_address("brokerManagement", config.require("brokerManagement"))
        return cls(
            nodes=0,
            amqp=addresses("brokerAddress", config.require("brokerAddress")),
            tls=config.require_bool("brokerTls"),
            management_scheme=scheme,
            management=management,
            networks=networks("brokerNetworks", config.require("brokerNetworks")),
            certificate=config.require("brokerCertificate"),
            memory=0,
            disk=0,
        )

    @classmethod
    def _own(cls, config: pulumi.Config, namespace: str, nodes: int) -> "BrokerSettings":
        memory, disk = config.require_int("brokerMemory"), config.require_int("brokerDisk")
        if memory < LEAST_MEMORY or disk < LEAST_DISK:
            least = f"at least {LEAST_MEMORY} (MiB) and {LEAST_DISK} (GiB)"
            raise Refused(f"brokerMemory and brokerDisk must be {least} where brokerNodes is set, got {memory}, {disk}")
        certificate = config.require("brokerCertificate")
        if not certificate:
            raise Refused("brokerCertificate must name a Secret with tls.crt, tls.key and ca.crt, got ''")
        host = f"{names.BROKER}.{namespace}.svc"
        return cls(
            nodes=nodes,
            amqp=(Address(host, AMQPS_PORT),),
            tls=True,
            management_scheme="https",
            management=Address(host, MANAGEMENT_TLS_PORT),
            networks=(),
            certificate=certificate,
            memory=memory,
            disk=disk,
        )

    @property
    def management_url(self) -> str:
        """The management API, without a login."""
        return f"{self.management_scheme}://{self.management}"

    def amqp_url(self, vhost: str, user: str, password: pulumi.Output[str]) -> pulumi.Output[str]:
        """The broker as one of its users talks to it."""
        scheme, place = "amqps" if self.tls else "amqp", quote(vhost, safe="")
        return password.apply(
            lambda word: ";".join(
                f"{scheme}://{quote(user, safe='')}:{quote(word, safe='')}@{one}/{place}" for one in self.amqp
            )
        )

    def monitoring_url(self, user: str, password: pulumi.Output[str]) -> pulumi.Output[str]:
        """The management API as the monitoring user reads it."""
        login = password.apply(lambda word: f"{quote(user, safe='')}:{quote(word, safe='')}")
        return login.apply(lambda both: f"{self.management_scheme}://{both}@{self.management}")

    @property
    def pod_labels(self) -> Mapping[str, str]:
        """What the cluster operator marks the pods of the stack's own broker with."""
        return {names.NAME_LABEL: names.BROKER}
