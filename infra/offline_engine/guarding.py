"""The guard rails, asked before anything is touched."""

from collections.abc import Sequence

from infra.guardrails import violations
from infra.offline_engine.errors import AgainstTheRules
from infra.offline_engine.resources import Resource


def require_within_rules(resources: Sequence[Resource]) -> None:
    """Raise AgainstTheRules, naming every violation of a whole stack and what to do."""
    if found := violations(resources):
        raise AgainstTheRules(found)
