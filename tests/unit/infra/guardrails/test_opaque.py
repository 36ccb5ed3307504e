"""Nothing that no rule can look into."""

import pytest

from infra.offline_engine.resources import Resource
from tests.unit.infra.guardrails.breaking import Stack, broken


@pytest.mark.parametrize(
    "type_",
    [
        "kubernetes:helm.sh/v3:Chart",
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:helm.sh/v4:Chart",
        "kubernetes:kustomize/v2:Directory",
        "kubernetes:kustomize:Directory",
        "kubernetes:yaml/v2:ConfigFile",
        "kubernetes:yaml/v2:ConfigGroup",
        "kubernetes:yaml:ConfigFile",
        "kubernetes:yaml:ConfigGroup",
    ],
)
def test_what_makes_manifests_unseen_is_refused(whole: Stack, type_: str) -> None:
    more = Resource(urn="urn:more", type=type_, name="more", inputs={})
    assert broken((*whole, more)) == {("nothing-opaque", "more")}
