"""The kinds of Lambda: functions, who may call them, and the queues that feed them."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from infra.offline_engine.aws.clients import Clients, or_none
from infra.offline_engine.aws.kind import AwsKind, parsed
from infra.offline_engine.live import Key, Record
from infra.offline_engine.resources import Inputs


class FunctionKind(AwsKind):
    """aws.lambda_.Function, from a zip on this machine; which key encrypts its environment is written, not compared."""

    word = "function"
    accepts = frozenset(
        {
            *("name", "role", "runtime", "architectures", "handler", "code.path", "timeout", "memorySize"),
            *("kmsKeyArn", "environment.variables", "reservedConcurrentExecutions", "deadLetterConfig.targetArn"),
        }
    )

    def key(self, inputs: Inputs) -> Key:
        return (inputs["name"],)

    def wanted(self, inputs: Inputs) -> Record:
        digest = base64.b64encode(hashlib.sha256(_zip(inputs)).digest()).decode()
        return {
            **_configuration(inputs),
            "CodeSha256": digest,
            "Architectures": list(inputs["architectures"]),
            "Reserved": _reserved(inputs),
        }

    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        answer: dict[str, Any] | None = or_none(aws("lambda").get_function, FunctionName=inputs["name"])
        if answer is None:
            return None
        found = answer["Configuration"]
        return {
            **found,
            # What is not set is left out.
            "Environment": found.get("Environment", {"Variables": {}}),
            "DeadLetterConfig": found.get("DeadLetterConfig", {}),
            "Reserved": answer.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
        }

    def write(self, inputs: Inputs, aws: Clients) -> None:
        client, name = aws("lambda"), inputs["name"]
        own_key = {"KMSKeyArn": inputs["kmsKeyArn"]} if inputs.get("kmsKeyArn") else {}
        code = {"ZipFile": _zip(inputs)}
        architectures = list(inputs["architectures"])
        if or_none(client.get_function, FunctionName=name) is None:
            made = {"FunctionName": name, "Architectures": architectures, "Code": code}
            client.create_function(**made, **_configuration(inputs), **own_key)
        else:
            client.update_function_code(FunctionName=name, Architectures=architectures, **code)
            # Lambda takes one change of a function at a time.
            client.get_waiter("function_updated_v2").wait(FunctionName=name)
            client.update_function_configuration(FunctionName=name, **_configuration(inputs), **own_key)
        _set_concurrency(client, name, _reserved(inputs))

    def remove(self, inputs: Inputs, aws: Clients) -> None:
        or_none(aws("lambda").delete_function, FunctionName=inputs["name"])


class PermissionKind(AwsKind):
    """aws.lambda_.Permission."""

    word = "permission to call"
    accepts = frozenset({"function", "statementId", "action", "principal", "sourceArn"})

    def key(self, inputs: Inputs) -> Key:
        return inputs["function"], inputs["statementId"]

    def wanted(self, inputs: Inputs) -> Record:
        return {
            "Action": inputs["action"],
            "Principal": {"Service": inputs["principal"]},
            "Source": inputs["sourceArn"],
        }

    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        answer: dict[str, Any] | None = or_none(aws("lambda").get_policy, FunctionName=inputs["function"])
        for one in parsed(answer["Policy"])["Statement"] if answer else ():
            if one["Sid"] == inputs["statementId"]:
                sources = one.get("Condition", {}).get("ArnLike", {})
                return {**one, "Source": sources.get("AWS:SourceArn")}
        return None

    def write(self, inputs: Inputs, aws: Clients) -> None:
        self.remove(inputs, aws)  # Lambda changes none
        aws("lambda").add_permission(
            FunctionName=inputs["function"],
            StatementId=inputs["statementId"],
            Action=inputs["action"],
            Principal=inputs["principal"],
            SourceArn=inputs["sourceArn"],
        )

    def remove(self, inputs: Inputs, aws: Clients) -> None:
        names = {"FunctionName": inputs["function"], "StatementId": inputs["statementId"]}
        or_none(aws("lambda").remove_permission, **names)


class EventSourceKind(AwsKind):
    """aws.lambda_.EventSourceMapping of an SQS queue."""

    word = "event source of"
    accepts = frozenset(
        {"eventSourceArn", "functionName", "batchSize", "functionResponseTypes", "scalingConfig.maximumConcurrency"}
    )

    def key(self, inputs: Inputs) -> Key:
        return inputs["eventSourceArn"], inputs["functionName"]

    def wanted(self, inputs: Inputs) -> Record:
        return {
            "BatchSize": int(inputs["batchSize"]),
            "FunctionResponseTypes": list(inputs["functionResponseTypes"]),
            "ScalingConfig": {"MaximumConcurrency": int(inputs["scalingConfig"]["maximumConcurrency"])},
        }

    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        ends = {"EventSourceArn": inputs["eventSourceArn"], "FunctionName": inputs["functionName"]}
        answer: dict[str, Any] | None = or_none(aws("lambda").list_event_source_mappings, **ends)
        found = [one for one in answer["EventSourceMappings"] if one.get("State") != "Deleting"] if answer else []
        return found[0] if found else None

    def write(self, inputs: Inputs, aws: Clients) -> None:
        there = self.actual(inputs, aws)
        if there is None:
            ends = {"EventSourceArn": inputs["eventSourceArn"], "FunctionName": inputs["functionName"]}
            aws("lambda").create_event_source_mapping(**ends, **self.wanted(inputs))
        else:
            aws("lambda").update_event_source_mapping(UUID=there["UUID"], **self.wanted(inputs))

    def remove(self, inputs: Inputs, aws: Clients) -> None:
        there = self.actual(inputs, aws)
        if there is not None:
            or_none(aws("lambda").delete_event_source_mapping, UUID=there["UUID"])


def _configuration(inputs: Inputs) -> dict[str, Any]:
    dead = inputs.get("deadLetterConfig") or {}
    return {
        "Role": inputs["role"],
        "Runtime": inputs["runtime"],
        "Handler": inputs["handler"],
        "Timeout": int(inputs["timeout"]),
        "MemorySize": int(inputs["memorySize"]),
        "Environment": {"Variables": dict((inputs.get("environment") or {}).get("variables") or {})},
        "DeadLetterConfig": {"TargetArn": dead["targetArn"]} if dead else {},
    }


def _zip(inputs: Inputs) -> bytes:
    return Path(inputs["code"]["path"]).read_bytes()


def _reserved(inputs: Inputs) -> int | None:
    reserved = inputs.get("reservedConcurrentExecutions")
    return None if reserved is None else int(reserved)


def _set_concurrency(client: Any, name: str, reserved: int | None) -> None:
    if reserved is None:
        client.delete_function_concurrency(FunctionName=name)
    else:
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)
