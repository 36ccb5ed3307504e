"""Nothing that cannot be judged: what a chart or a file of manifests makes is seen by no rule before it is there."""

import re
from collections.abc import Iterator, Sequence

from infra.guardrails.rule import Declared, Finding, Limits, Rule

#: Pulumi's own types that make manifests out of something else.
OPAQUE = re.compile(r"kubernetes:(helm|kustomize|yaml)\b")


def _check(resources: Sequence[Declared], _limits: Limits) -> Iterator[Finding]:
    for resource in resources:
        if OPAQUE.match(resource.type):
            yield resource, f"no rule can look into {resource.type}; declare what it makes, each by its own type"


NOTHING_OPAQUE = Rule(
    name="nothing-opaque",
    description="No charts and no files of manifests: every resource is declared by its own type.",
    check=_check,
    alone=True,
)
