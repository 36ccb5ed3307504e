"""Guard rails: what no stack may have, whoever changes the program.

The rules are pure. `python -m infra.guardrails` serves them to the pulumi CLI (`pulumi up --policy-pack
infra/guardrails`), and the offline engine asks `violations` before it touches anything.
"""

from collections.abc import Sequence

from infra.guardrails.rule import Declared, Limits, Violation
from infra.guardrails.rules import RULES


def violations(resources: Sequence[Declared], limits: Limits | None = None) -> list[Violation]:
    """What breaks a rule in a whole stack; without `limits`, by those that Limits has."""
    allowed = limits or Limits()
    return [
        Violation(rule=rule.name, resource=resource, message=message)
        for rule in RULES
        for resource, message in rule.check(resources, allowed)
    ]


__all__ = ["Declared", "Limits", "Violation", "violations"]
