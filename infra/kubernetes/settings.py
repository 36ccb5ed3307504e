"""The settings of a stack's part on Kubernetes, and which of them are refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.kubernetes.addresses import Reach, reach
from infra.kubernetes.broker_settings import BrokerSettings
from infra.refusal import Refused

IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9./:_-]*@sha256:[0-9a-f]{64}")
NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
POSTGRES = "postgresql+psycopg://"


@dataclass(frozen=True, kw_only=True)
class KubernetesSettings:
    """Which cluster and namespace, which image, and what its processes are told and may reach.

    `concurrency` is how many processes a worker may have, `quota` how many pods the namespace, and `reaches` where the
    handlers of a group go besides broker and database.
    """

    kubeconfig: pulumi.Output[str]
    context: str
    namespace: str
    image: str
    concurrency: int
    quota: int
    database_url: pulumi.Output[str]
    database: tuple[Reach, ...]
    smtp_url: pulumi.Output[str]
    reaches: Mapping[str, tuple[Reach, ...]]
    broker: BrokerSettings

    @classmethod
    def load(cls, config: pulumi.Config) -> "KubernetesSettings":
        """Read them; raises Refused, pulumi.ConfigMissingError or ConfigTypeError."""
        namespace = config.require("kubernetesNamespace")
        settings = cls(
            kubeconfig=config.require_secret("kubeconfig").apply(lambda text: _set("kubeconfig", text)),
            context=_set("kubeContext", config.require("kubeContext")),
            namespace=namespace,
            image=config.require("workerImage"),
            concurrency=config.require_int("workerConcurrency"),
            quota=config.require_int("podQuota"),
            database_url=config.require_secret("databaseUrl").apply(_database_url),
            database=tuple(reach("databaseNetworks", one) for one in config.require("databaseNetworks").split(",")),
            smtp_url=config.require_secret("smtpUrl"),
            reaches=reaches(config.require("groupNetworks")),
            broker=BrokerSettings.load(config, namespace),
        )
        settings.check()
        return settings

    def check(self) -> None:
        """Raise Refused for what no cluster should be given."""
        if not NAMESPACE.fullmatch(self.namespace) or self.namespace in ("default", "keda"):
            expected = "a namespace of the stack's own (lower-case letters, digits, dashes)"
            raise Refused(f"kubernetesNamespace must be {expected}, got {self.namespace!r}")
        if not IMAGE.fullmatch(self.image):
            raise Refused(f"workerImage must be an image by digest (name@sha256:...), got {self.image!r}")
        if self.concurrency < 1:
            raise Refused(f"workerConcurrency must be at least 1, got {self.concurrency}")


def reaches(text: str) -> Mapping[str, tuple[Reach, ...]]:
    """Read `GROUP=NETWORK:PORT` with commas between, a group as often as needed; raises Refused."""
    found: dict[str, tuple[Reach, ...]] = {}
    for one in filter(None, (part.strip() for part in text.split(","))):
        group, _, rest = one.partition("=")
        if not group or not rest:
            raise Refused(f"groupNetworks must be GROUP=NETWORK:PORT, with commas between, got {one!r}")
        found[group] = (*found.get(group, ()), reach("groupNetworks", rest))
    return found


def _set(setting: str, text: str) -> str:
    if not text:
        raise Refused(f"{setting} must be set where kubernetes is true: no cluster is taken by chance, got ''")
    return text


def _database_url(text: str) -> str:
    if not text.startswith(POSTGRES):
        raise Refused(f"databaseUrl must be {POSTGRES}user:password@host/database where kubernetes is true")
    return text
