"""The rules, a file for each subject."""

from infra.guardrails.rules.broker_dead_letters import BROKER_DEAD_LETTERS
from infra.guardrails.rules.images import IMAGES
from infra.guardrails.rules.maximum import MAXIMUM
from infra.guardrails.rules.opaque import NOTHING_OPAQUE
from infra.guardrails.rules.plain_secrets import PLAIN_SECRETS
from infra.guardrails.rules.pod_security import POD_SECURITY
from infra.guardrails.rules.public import PUBLIC
from infra.guardrails.rules.public_aws import PUBLIC_AWS
from infra.guardrails.rules.quota import QUOTA
from infra.guardrails.rules.sqs_dead_letters import SQS_DEAD_LETTERS

RULES = (
    BROKER_DEAD_LETTERS,
    SQS_DEAD_LETTERS,
    MAXIMUM,
    QUOTA,
    PLAIN_SECRETS,
    PUBLIC,
    PUBLIC_AWS,
    IMAGES,
    POD_SECURITY,
    NOTHING_OPAQUE,
)

__all__ = ["RULES"]
