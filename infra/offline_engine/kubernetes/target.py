"""Which cluster a run applies to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class KubernetesTarget:
    """A cluster by the context of a kubeconfig, which must be its current one: nothing lands in another by chance.

    `settings` is the rest of the program's configuration for it, in the words of Pulumi.yaml.
    """

    kubeconfig: Path
    context: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def config(self) -> dict[str, str]:
        """The program's configuration for it."""
        own = {"kubernetes": "true", "kubeconfig": str(self.kubeconfig.resolve()), "kubeContext": self.context}
        return {**self.settings, **own}
