"""Who makes things on Kubernetes: an explicit provider, so that nothing lands in whatever cluster is around."""

import pulumi_kubernetes as kubernetes

from infra.kubernetes.settings import KubernetesSettings


def provider(settings: KubernetesSettings) -> kubernetes.Provider:
    """The provider of the one cluster; it is no default for anything."""
    return kubernetes.Provider(
        "kubernetes",
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        enable_server_side_apply=True,
    )
