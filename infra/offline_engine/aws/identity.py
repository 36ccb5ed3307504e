"""The kinds of IAM: roles, their own policies, and policies to be attached."""

from typing import Any

from infra.offline_engine.aws.clients import Clients, or_none
from infra.offline_engine.aws.kind import AwsKind, parsed
from infra.offline_engine.live import Key, Record
from infra.offline_engine.resources import Inputs

#: IAM keeps so many versions of a policy.
MAX_VERSIONS = 5


class RoleKind(AwsKind):
    """aws.iam.Role."""

    word = "role"
    accepts = frozenset({"name", "assumeRolePolicy"})

    def key(self, inputs: Inputs) -> Key:
        return (inputs["name"],)

    def wanted(self, inputs: Inputs) -> Record:
        return {"trust": parsed(inputs["assumeRolePolicy"])}

    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        answer: dict[str, Any] | None = or_none(aws("iam").get_role, RoleName=inputs["name"])
        return None if answer is None else {"trust": parsed(answer["Role"]["AssumeRolePolicyDocument"])}

    def write(self, inputs: Inputs, aws: Clients) -> None:
        name, trust = inputs["name"], inputs["assumeRolePolicy"]
        if self.actual(inputs, aws) is None:
            aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        else:
            aws("iam").update_assume_role_policy(RoleName=name, PolicyDocument=trust)

    def remove(self, inputs: Inputs, aws: Clients) -> None:
        or_none(aws("iam").delete_role, RoleName=inputs["name"])


class RolePolicyKind(AwsKind):
    """aws.iam.RolePolicy."""

    word = "policy of role"
    accepts = frozenset({"name", "role", "policy"})

    def key(self, inputs: Inputs) -> Key:
        return inputs["role"], inputs["name"]

    def wanted(self, inputs: Inputs) -> Record:
        return {"policy": parsed(inputs["policy"])}

    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        answer: dict[str, Any] | None = or_none(
            aws("iam").get_role_policy, RoleName=inputs["role"], PolicyName=inputs["name"]
        )
        return None if answer is None else {"policy": parsed(answer["PolicyDocument"])}

    def write(self, inputs: Inputs, aws: Clients) -> None:
        aws("iam").put_role_policy(RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"])

    def remove(self, inputs: Inputs, aws: Clients) -> None:
        or_none(aws("iam").delete_role_policy, RoleName=inputs["role"], PolicyName=inputs["name"])


class PolicyKind(AwsKind):
    """aws.iam.Policy."""

    word = "IAM policy"
    accepts = frozenset({"name", "policy"})

    def key(self, inputs: Inputs) -> Key:
        return (inputs["name"],)

    def wanted(self, inputs: Inputs) -> Record:
        return {"policy": parsed(inputs["policy"])}

    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        arn = _policy_arn(inputs, aws)
        answer: dict[str, Any] | None = or_none(aws("iam").get_policy, PolicyArn=arn)
        if answer is None:
            return None
        version = answer["Policy"]["DefaultVersionId"]
        found = aws("iam").get_policy_version(PolicyArn=arn, VersionId=version)
        return {"policy": parsed(found["PolicyVersion"]["Document"])}

    def write(self, inputs: Inputs, aws: Clients) -> None:
        if self.actual(inputs, aws) is None:
            aws("iam").create_policy(PolicyName=inputs["name"], PolicyDocument=inputs["policy"])
            return
        arn = _policy_arn(inputs, aws)
        others = _other_versions(arn, aws)
        if len(others) == MAX_VERSIONS - 1:
            aws("iam").delete_policy_version(PolicyArn=arn, VersionId=others[0])
        aws("iam").create_policy_version(PolicyArn=arn, PolicyDocument=inputs["policy"], SetAsDefault=True)

    def remove(self, inputs: Inputs, aws: Clients) -> None:
        arn = _policy_arn(inputs, aws)
        if or_none(aws("iam").get_policy, PolicyArn=arn) is None:
            return
        for version in _other_versions(arn, aws):
            aws("iam").delete_policy_version(PolicyArn=arn, VersionId=version)
        aws("iam").delete_policy(PolicyArn=arn)


def _policy_arn(inputs: Inputs, aws: Clients) -> str:
    return f"arn:aws:iam::{aws.target.account}:policy/{inputs['name']}"


def _other_versions(arn: str, aws: Clients) -> list[str]:
    """All but the default, oldest first."""
    versions = aws("iam").list_policy_versions(PolicyArn=arn)["Versions"]
    others = [one for one in versions if not one["IsDefaultVersion"]]
    return [one["VersionId"] for one in sorted(others, key=lambda one: int(one["VersionId"].lstrip("v")))]
