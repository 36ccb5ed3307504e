"""The kind of DynamoDB tables."""

from typing import Any

from infra.offline_engine.aws.clients import Clients, or_none
from infra.offline_engine.aws.kind import AwsKind
from infra.offline_engine.live import Key, Record
from infra.offline_engine.resources import Inputs

#: Items are counted this far: that there are any is what matters.
COUNTED = 1_000
ON = frozenset({"ENABLED", "ENABLING"})
NO_EXPIRY = "no expiry"


class TableKind(AwsKind):
    """aws.dynamodb.Table.

    Which key encrypts it is written and not compared: DynamoDB names the key, the program its alias.
    """

    word = "DynamoDB table"
    accepts = frozenset(
        {
            *("name", "billingMode", "hashKey", "rangeKey", "attributes", "deletionProtectionEnabled"),
            *("ttl.attributeName", "ttl.enabled", "pointInTimeRecovery.enabled"),
            *("serverSideEncryption.enabled", "serverSideEncryption.kmsKeyArn"),
        }
    )
    fixed = frozenset({"keys"})

    def key(self, inputs: Inputs) -> Key:
        return (inputs["name"],)

    def wanted(self, inputs: Inputs) -> Record:
        ttl = inputs.get("ttl") or {}
        return {
            "keys": _keys(inputs),
            "billing": inputs["billingMode"],
            "expiry": ttl["attributeName"] if ttl.get("enabled") else NO_EXPIRY,
            "recovery": bool(inputs["pointInTimeRecovery"]["enabled"]),
            "encrypted": bool(inputs["serverSideEncryption"]["enabled"]),
            "protected": bool(inputs["deletionProtectionEnabled"]),
        }

    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        table = self._describe(inputs, aws)
        if table is None:
            return None
        client, name = aws("dynamodb"), inputs["name"]
        ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
        return {
            "keys": [(one["AttributeName"], types[one["AttributeName"]]) for one in table["KeySchema"]],
            "billing": table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
            "expiry": ttl.get("AttributeName") if ttl["TimeToLiveStatus"] in ON else NO_EXPIRY,
            "recovery": backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] in ON,
            "encrypted": table.get("SSEDescription", {}).get("Status") in ON,
            "protected": bool(table.get("DeletionProtectionEnabled")),
        }

    def write(self, inputs: Inputs, aws: Clients) -> None:
        client, name = aws("dynamodb"), inputs["name"]
        there = self.actual(inputs, aws)
        if there is None:
            self._create(inputs, aws)
            client.get_waiter("table_exists").wait(TableName=name)
            there = self.actual(inputs, aws) or {}
        wanted = self.wanted(inputs)
        if there["expiry"] != wanted["expiry"]:
            _set_expiry(client, name, wanted["expiry"], there["expiry"])
        if there["recovery"] != wanted["recovery"]:
            recovery = {"PointInTimeRecoveryEnabled": wanted["recovery"]}
            client.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
        # DynamoDB takes one change of a table at a time.
        if there["billing"] != wanted["billing"]:
            client.update_table(TableName=name, BillingMode=wanted["billing"])
        if there["encrypted"] != wanted["encrypted"]:
            client.update_table(TableName=name, SSESpecification=_encryption(inputs))
        if there["protected"] != wanted["protected"]:
            client.update_table(TableName=name, DeletionProtectionEnabled=wanted["protected"])

    def remove(self, inputs: Inputs, aws: Clients) -> None:
        """Whether it may go was asked before (`held`); its protection is against everybody else."""
        client, name = aws("dynamodb"), inputs["name"]
        if self._describe(inputs, aws) is None:
            return
        client.update_table(TableName=name, DeletionProtectionEnabled=False)
        client.delete_table(TableName=name)
        client.get_waiter("table_not_exists").wait(TableName=name)

    def held(self, inputs: Inputs, aws: Clients) -> int:
        answer: dict[str, Any] | None = or_none(
            # The count that DescribeTable gives may be six hours old.
            aws("dynamodb").scan,
            TableName=inputs["name"],
            Select="COUNT",
            Limit=COUNTED,
            ConsistentRead=True,
        )
        return int(answer["Count"]) if answer else 0

    def _describe(self, inputs: Inputs, aws: Clients) -> dict[str, Any] | None:
        answer = or_none(aws("dynamodb").describe_table, TableName=inputs["name"])
        return None if answer is None else answer["Table"]

    def _create(self, inputs: Inputs, aws: Clients) -> None:
        keys = _keys(inputs)
        aws("dynamodb").create_table(
            TableName=inputs["name"],
            BillingMode=inputs["billingMode"],
            KeySchema=[
                {"AttributeName": name, "KeyType": kind}
                for (name, _), kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": type_} for name, type_ in keys],
            SSESpecification=_encryption(inputs),
            DeletionProtectionEnabled=bool(inputs["deletionProtectionEnabled"]),
        )


def _keys(inputs: Inputs) -> list[tuple[str, str]]:
    types = {one["name"]: one["type"] for one in inputs["attributes"]}
    return [(name, types[name]) for name in (inputs["hashKey"], inputs.get("rangeKey")) if name]


def _encryption(inputs: Inputs) -> dict[str, Any]:
    declared = inputs["serverSideEncryption"]
    own = {"KMSMasterKeyId": declared["kmsKeyArn"]} if declared.get("kmsKeyArn") else {}
    return {"Enabled": bool(declared["enabled"]), "SSEType": "KMS", **own}


def _set_expiry(client: Any, name: str, wanted: str, there: str) -> None:
    for attribute, enabled in ((there, False), (wanted, True)):
        if attribute != NO_EXPIRY:
            specification = {"AttributeName": attribute, "Enabled": enabled}
            client.update_time_to_live(TableName=name, TimeToLiveSpecification=specification)
