"""The rules as a policy pack of Pulumi's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from infra.guardrails.rule import UNKNOWN, Limits, Rule
from infra.guardrails.rules import RULES

NAME = "millrace"
#: What the settings are called in a policy pack's configuration.
CONFIGURED = {"max_replicas": "maxReplicas", "allow_ingress": "allowIngress"}


@dataclass(frozen=True, kw_only=True)
class Given:
    """A resource as Pulumi shows it to a policy."""

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]

    @classmethod
    def of(cls, shown: ResourceValidationArgs | PolicyResource) -> "Given":
        """The same with plain values; what is not known before the update is UNKNOWN."""
        return cls(urn=shown.urn, type=shown.resource_type, name=shown.name, inputs=_plain(shown.props))


#: What was declared, by URN, as policies of single resources were shown it. Those of a stack are shown outputs, where a
#: server has filled in what the program left out (one replica, say).
Declarations = dict[str, Given]


def policies() -> list[Policy]:
    """Every rule as a policy: of a single resource where that says enough, else of the stack."""
    declared: Declarations = {}
    return [_alone(rule, declared) if rule.alone else _of_stack(rule, declared) for rule in RULES]


def _alone(rule: Rule, declared: Declarations) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        declared[args.urn] = Given.of(args)
        for _, message in rule.check([declared[args.urn]], _limits(rule, args.get_config())):
            report(message, None)

    return ResourceValidationPolicy(
        name=rule.name,
        description=rule.description,
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
        config_schema=_schema(rule),
    )


def _of_stack(rule: Rule, declared: Declarations) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        resources = [declared.get(one.urn) or Given.of(one) for one in args.resources]
        for resource, message in rule.check(resources, _limits(rule, args.get_config())):
            report(message, resource.urn)

    return StackValidationPolicy(
        name=rule.name,
        description=rule.description,
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
        config_schema=_schema(rule),
    )


def _schema(rule: Rule) -> PolicyConfigSchema | None:
    properties = {CONFIGURED[name]: dict(schema) for name, schema in rule.settings.items()}
    return PolicyConfigSchema(properties=properties) if properties else None


def _limits(rule: Rule, config: Mapping[str, Any]) -> Limits:
    """The limits as configured; the pulumi CLI has held the configuration against the schema."""
    given = {name: config[CONFIGURED[name]] for name in rule.settings if CONFIGURED[name] in config}
    whole: dict[str, Any] = {name: int(value) if isinstance(value, float) else value for name, value in given.items()}
    return Limits(**whole)


def _plain(value: Any) -> Any:
    """Plain records and lists."""
    if isinstance(value, Mapping):
        return {key: _read(value.__getitem__, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_read(value.__getitem__, index) for index in range(len(value))]
    return value


def _read(get: Callable[[Any], Any], key: Any) -> Any:
    try:
        return _plain(get(key))
    except UnknownValueError:
        return UNKNOWN
