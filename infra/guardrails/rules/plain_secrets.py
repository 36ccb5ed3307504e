"""No plain secret: what is in a pod's environment, a ConfigMap or an annotation can be read by all who may look.

A policy pack is given secrets unwrapped, so it cannot see whether a value was marked as one. Where credentials belong
(the data of a Kubernetes Secret, a broker user's password), Pulumi's own SDKs mark them. So the rule looks for
credentials everywhere else, by their names and by their looks; it never repeats one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from infra.guardrails.pods import kind
from infra.guardrails.rule import Declared, Finding, Limits, Rule

#: What a password is called; PWD is where a shell is, and a bypass is none.
PASSWORD = r"(passw(or)?d|passphrase|(?<!by)(?<!com)pass|(?<=.)(?<!old)pwd)"  # noqa: S105 (a pattern)
KEY = r"(api|access|private|secret|signing|encryption)[-_]?key"
#: What a credential is called, at the end of a name: SECRET_NAME or secret-digest tell of one, and are none.
NAMED = re.compile(rf"({PASSWORD}|secret|token|credentials?|auth|dsn|{KEY})$", re.IGNORECASE)
#: `$(NAME)` is another variable, which Kubernetes fills in.
LOOKS = (
    ("a URL with a password", re.compile(r"[a-z][a-z0-9+.-]*://[^\s/@:]*:(?!\$\()[^\s/@]+@", re.IGNORECASE)),
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a password", re.compile(rf"{PASSWORD}[\"']?\s*[=:]\s*[\"']?(?!\$\()[^\s\"']", re.IGNORECASE)),
    ("an AWS access key", re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a token", re.compile(r"\beyJ[\w-]+\.eyJ[\w-]+\.|\bBearer\s+[\w.~+/-]{16}", re.IGNORECASE)),
)
#: What is named in a command, as `--token=WORD` or `TOKEN=WORD`; `--token` names the word after it.
ASSIGNED = re.compile(r"-*(?P<name>[\w.-]+)=(?P<value>.*)", re.DOTALL)
OPTION = re.compile(r"--?(?!-|(no|enable|disable)-)[\w.-]+")
#: What a switch is set to, as text.
SWITCHES = frozenset({"", "true", "false", "none"})
FILLED_IN = re.compile(r"(\$\([\w.-]+\))+")
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
    plain = value.lower() not in SWITCHES and not FILLED_IN.fullmatch(value)
    return "named like a credential" if NAMED.search(name) and plain else None


def _texts(value: object, where: str, name: str = "") -> Iterator[tuple[str, str, str]]:
    """Every text: where it is, what it is called, and itself; one beside a name is called by that."""
    if isinstance(value, str):
        yield where, name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            called = str(value.get("name", key)) if key == "value" else str(key)
            yield from _texts(inner, f"{where}.{called}".lstrip("."), called)
    elif isinstance(value, list):
        for index, (before, inner) in enumerate(zip(["", *value], value, strict=False)):
            yield from _texts(inner, f"{where}[{index}]", name)
            if isinstance(inner, str):
                yield from ((f"{where}[{index}]", called, text) for called, text in _in_a_command(before, inner))


def _in_a_command(before: object, word: str) -> Iterator[tuple[str, str]]:
    """What a word of a command gives a value to: by itself, or as told by the option before it."""
    if assigned := ASSIGNED.fullmatch(word):
        yield assigned["name"], assigned["value"]
    elif isinstance(before, str) and OPTION.fullmatch(before) and not OPTION.fullmatch(word):
        yield before, word


PLAIN_SECRETS = Rule(
    name="no-plain-secret",
    description="Credentials are in Kubernetes Secrets, nowhere else.",
    check=_check,
    alone=True,
)
