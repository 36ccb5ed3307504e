"""Nothing public at AWS: no policy lets everybody in, and a service acts only for what is named."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.guardrails.pods import Values, part
from infra.guardrails.rule import Declared, Finding, Limits, Rule

AWS = "aws:"
FUNCTION_URL = "aws:lambda/functionUrl:FunctionUrl"
PERMISSION = "aws:lambda/permission:Permission"
#: Conditions that say whose a request is; that it came by TLS, or when, does not.
WHOSE = (
    "aws:principal",
    "aws:source",
    "aws:userid",
    "aws:username",
    "kms:calleraccount",
    "kms:encryptioncontext:",
    "kms:viaservice",
)
#: Operators that never hold when the key is missing; others let such a request in.
SURE = ("StringEquals", "StringLike", "ArnEquals", "ArnLike", "IpAddress", "StringEqualsIgnoreCase")


def _check(resources: Sequence[Declared], _limits: Limits) -> Iterator[Finding]:
    for resource in (one for one in resources if one.type.startswith(AWS)):
        for statement in _statements(resource.inputs.get("policy")):
            if statement.get("Effect") == "Allow" and (who := _anybody(statement)) and not _restricted(statement):
                yield (
                    resource,
                    f"policy statement {statement.get('Sid')!r} lets {who} in; name an account or a role as Principal, "
                    "or say by Condition for whose requests it is (aws:SourceArn, aws:SourceAccount)",
                )
        yield from ((resource, message) for message in _lambda(resource))


def _lambda(resource: Declared) -> Iterator[str]:
    inputs = resource.inputs
    if resource.type == FUNCTION_URL and inputs.get("authorizationType") != "AWS_IAM":
        yield f"authorizationType is {inputs.get('authorizationType')!r}: everybody may call; make it AWS_IAM"
    if resource.type == PERMISSION:
        who = str(inputs.get("principal"))
        named = any(inputs.get(key) for key in ("sourceArn", "sourceAccount", "principalOrgId"))
        if not named and (who == "*" or who.endswith(".amazonaws.com")):
            yield f"principal {who!r} may call the function for anybody; give sourceArn"


def _statements(policy: Any) -> list[Values]:
    if isinstance(policy, str):
        try:
            policy = json.loads(policy or "{}")
        except ValueError:
            return []  # no policy document; some types have other things of this name
    found = part({"policy": policy}, "policy").get("Statement", [])
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, Mapping)]


def _anybody(statement: Values) -> str | None:
    """Who it names, if that is everybody, or a service that acts for everybody; None if it names somebody."""
    if "NotPrincipal" in statement:
        return "everybody but a few"
    principal = statement.get("Principal")
    named = principal if isinstance(principal, Mapping) else {"AWS": principal}
    for kind, who in named.items():
        for one in who if isinstance(who, list) else [who]:
            if one == "*":
                return "everybody"
            if kind == "Service":
                return f"{one}, for whoever uses it,"
    return None


def _restricted(statement: Values) -> bool:
    """Whether a condition that never holds for others says whose the request must be."""
    return any(
        key.lower().startswith(WHOSE) and "*" not in (values if isinstance(values, list) else [values])
        for operator, tests in part(statement, "Condition").items()
        if operator.rpartition(":")[2] in SURE and isinstance(tests, Mapping)
        for key, values in tests.items()
    )


PUBLIC_AWS = Rule(
    name="nothing-public-at-aws",
    description="No policy at AWS lets everybody in, or a service for everybody.",
    check=_check,
    alone=True,
)
