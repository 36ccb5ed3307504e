"""The kinds of KMS: keys and aliases. AWS names a key at random, so the engine knows it by its alias alone."""

from typing import Any

from infra.offline_engine.aws.clients import Clients, or_none
from infra.offline_engine.aws.kind import AwsKind, parsed
from infra.offline_engine.live import Key, Record
from infra.offline_engine.resources import Inputs

ENABLED = "Enabled"


class KeyKind(AwsKind):
    """aws.kms.Key; `arn` is what the recording gave it: that of its alias."""

    word = "KMS key"
    accepts = frozenset({"description", "enableKeyRotation", "deletionWindowInDays", "policy", "arn"})

    def key(self, inputs: Inputs) -> Key:
        return (inputs["arn"],)

    def wanted(self, inputs: Inputs) -> Record:
        return {"policy": parsed(inputs["policy"]), "rotates": bool(inputs["enableKeyRotation"])}

    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        found = _described(inputs["arn"], aws)
        if found is None:
            return None
        policy = aws("kms").get_key_policy(KeyId=found["KeyId"], PolicyName="default")["Policy"]
        rotation = aws("kms").get_key_rotation_status(KeyId=found["KeyId"])["KeyRotationEnabled"]
        return {"policy": parsed(policy), "rotates": bool(rotation)}

    def write(self, inputs: Inputs, aws: Clients) -> None:
        client, policy = aws("kms"), inputs["policy"]
        found = _described(inputs["arn"], aws)
        if found is None:
            found = client.create_key(Description=inputs["description"], Policy=policy)["KeyMetadata"]
            client.create_alias(AliasName=_alias(inputs["arn"]), TargetKeyId=found["KeyId"])
        else:
            client.put_key_policy(KeyId=found["KeyId"], PolicyName="default", Policy=policy)
        turn = client.enable_key_rotation if inputs["enableKeyRotation"] else client.disable_key_rotation
        turn(KeyId=found["KeyId"])

    def remove(self, inputs: Inputs, aws: Clients) -> None:
        """KMS deletes a key after a while only; until then it encrypts nothing."""
        found = _described(inputs["arn"], aws)
        if found is not None:
            aws("kms").delete_alias(AliasName=_alias(inputs["arn"]))
            days = int(inputs["deletionWindowInDays"])
            aws("kms").schedule_key_deletion(KeyId=found["KeyId"], PendingWindowInDays=days)


class AliasKind(AwsKind):
    """aws.kms.Alias: comes and goes with its key."""

    word = "alias"
    accepts = frozenset({"name", "targetKeyId"})

    def key(self, inputs: Inputs) -> Key:
        return (inputs["name"],)

    def wanted(self, inputs: Inputs) -> Record:
        del inputs
        return {}

    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        return _described(inputs["name"], aws)

    def write(self, inputs: Inputs, aws: Clients) -> None:
        """Its key was made before, with it."""

    def remove(self, inputs: Inputs, aws: Clients) -> None:
        """Its key, which is found by nothing else, goes after it and takes it along."""


def _described(name: str, aws: Clients) -> dict[str, Any] | None:
    answer: dict[str, Any] | None = or_none(aws("kms").describe_key, KeyId=name)
    return answer["KeyMetadata"] if answer and answer["KeyMetadata"]["KeyState"] == ENABLED else None


def _alias(arn: str) -> str:
    return arn.split(":", maxsplit=5)[-1]
