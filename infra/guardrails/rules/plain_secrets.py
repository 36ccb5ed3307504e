"""No plain secret: what is in a pod's environment, a ConfigMap or an annotation can be read by all who may look.

A policy pack is given secrets unwrapped, so it cannot see whether a value was marked as one. Where credentials belong
(the data of a Kubernetes Secret, a broker user's password), Pulumi's own SDKs mark them. So the rule looks for
credentials everywhere else, by their names and by their looks; it never repeats one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from infra.guardrails.pods import kind
from infra.guardrails.rule import Declared, Finding, Limits, Rule

#: What a credential is called, at the end of a name: SECRET_NAME or secret-digest tell of one, and are none.
NAMED = re.compile(
    r"(passw(or)?d|passphrase|secret|token|credentials?|auth|(api|access|private|secret|signing|encryption)[-_]?key)$",
    re.IGNORECASE,
)
#: `$(NAME)` is another variable, which Kubernetes fills in.
LOOKS = (
    ("a URL with a password", re.compile(r"[a-z][a-z0-9+.-]*://[^\s/@:]*:(?!\$\()[^\s/@]+@", re.IGNORECASE)),
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a password", re.compile(r"passw(or)?d\s*[=:]\s*(?!\$\()[^\s]", re.IGNORECASE)),
    ("an AWS access key", re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a token", re.compile(r"\beyJ[\w-]+\.eyJ[\w-]+\.|\bBearer\s+[\w.~+/-]{16}", re.IGNORECASE)),
)
#: What a switch is set to, as text.
SWITCHES = frozenset({"", "true", "false", "none"})
SECRET_PARTS = frozenset({"data", "stringData"})


def _check(resources: Sequence[Declared], _limits: Limits) -> Iterator[Finding]:
    for resource in resources:
        if not (of := kind(resource)):
            continue
        shown = {key: value for key, value in resource.inputs.items() if of != "Secret" or key not in SECRET_PARTS}
        for where, name, value in _texts(shown, ""):
            if problem := _problem(name, value):
                yield (
                    resource,
                    f"{where} is {problem}; put it into a Kubernetes Secret, and name that (valueFrom.secretKeyRef)",
                )


def _problem(name: str, value: str) -> str | None:
    for what, look in LOOKS:
        if look.search(value):
            return what
    return "named like a credential" if NAMED.search(name) and value.lower() not in SWITCHES else None


def _texts(value: object, where: str, name: str = "") -> Iterator[tuple[str, str, str]]:
    """Every text: where it is, what it is called, and itself; one beside a name is called by that."""
    if isinstance(value, str):
        yield where, name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            called = str(value.get("name", key)) if key == "value" else str(key)
            yield from _texts(inner, f"{where}.{called}".lstrip("."), called)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{where}[{index}]", name)


PLAIN_SECRETS = Rule(
    name="no-plain-secret",
    description="Credentials are in Kubernetes Secrets, nowhere else.",
    check=_check,
    alone=True,
)
