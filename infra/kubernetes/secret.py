"""Secrets of the namespace."""

import base64
from collections.abc import Mapping

import pulumi
from pulumi_kubernetes.core.v1 import Secret
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs


def secret(
    name: str,
    namespace: str,
    labels: Mapping[str, str],
    values: Mapping[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> Secret:
    """A Secret with these values, which pulumi-kubernetes marks as secret."""
    return Secret(
        name,
        metadata=ObjectMetaArgs(name=name, namespace=namespace, labels=dict(labels)),
        type="Opaque",
        data={key: pulumi.Output.from_input(value).apply(_encoded) for key, value in values.items()},
        opts=opts,
    )


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
