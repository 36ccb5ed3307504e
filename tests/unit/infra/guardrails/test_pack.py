"""The policy pack as the pulumi CLI has it: its own process, spoken to as the engine speaks."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto.analyzer_pb2 import (
    MANDATORY,
    AnalyzeDiagnostic,
    AnalyzeRequest,
    AnalyzerInfo,
    AnalyzerResource,
    AnalyzeStackRequest,
    ConfigureAnalyzerRequest,
    PolicyConfig,
)
from pulumi.runtime.proto.analyzer_pb2_grpc import AnalyzerStub
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from infra import guardrails
from infra.guardrails.rules import RULES
from infra.offline_engine.recording import SECRET_MARK
from infra.offline_engine.resources import Resource
from operations.local.layout import REPOSITORY
from tests.unit.infra.guardrails.breaking import Stack, drop, edited, set_at
from tests.unit.infra.guardrails.cluster import DEPLOYMENT, SCALED_OBJECT, SERVICE, WORKER

PACK = Path(guardrails.__file__).parent
SECRET = {SECRET_MARK: "1b47061264138c4ac30d75fd1eb44270"}
IMAGE = ("spec", "template", "spec", "containers", 0, "image")
#: The engine's address, which a pack is told and has no use for.
ENGINE = "127.0.0.1:1"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the pack serves, started as the CLI starts it, in the pack's own folder; a warning ends it."""
    command = [sys.executable, "-u", "-W", "error", "-m", "pulumi.policy", ENGINE, ".", "-toolchain=pip"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PACK, text=True) as process:
        try:
            assert process.stdout
            port = process.stdout.readline().strip()
            assert port.isdecimal(), f"the pack said {port!r} and ended with {process.poll()}"
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.fixture
def pack(address: str) -> Iterator[AnalyzerStub]:
    """The running pack, with the configuration it has without any."""
    with grpc.insecure_channel(address) as channel:
        analyzer = AnalyzerStub(channel)
        analyzer.Configure(ConfigureAnalyzerRequest())
        yield analyzer


def on_the_wire(inputs: Any) -> Struct:
    record = Struct()
    record.update(inputs)
    return record


def analyzed(pack: AnalyzerStub, resource: Resource) -> list[AnalyzeDiagnostic]:
    """What is said of a resource before it is made."""
    properties = on_the_wire(resource.inputs)
    request = AnalyzeRequest(type=resource.type, urn=resource.urn, name=resource.name, properties=properties)
    return list(pack.Analyze(request).diagnostics)


def analyzed_stack(pack: AnalyzerStub, stack: Stack, outputs: Stack | None = None) -> list[AnalyzeDiagnostic]:
    """What is said of a whole stack: the engine first tells of each resource, then shows all as they have become."""
    for one in stack:
        analyzed(pack, one)
    resources = [
        AnalyzerResource(type=one.type, urn=one.urn, name=one.name, properties=on_the_wire(one.inputs))
        for one in outputs or stack
    ]
    return list(pack.AnalyzeStack(AnalyzeStackRequest(resources=resources)).diagnostics)


def the(stack: Stack, type_: str, name: str) -> Resource:
    (found,) = (one for one in stack if (one.type, one.name) == (type_, name))
    return found


def test_every_rule_is_a_mandatory_policy(pack: AnalyzerStub) -> None:
    info: AnalyzerInfo = pack.GetAnalyzerInfo(Empty())
    assert info.name == "millrace"
    assert [policy.name for policy in info.policies] == [rule.name for rule in RULES]
    assert {policy.enforcementLevel for policy in info.policies} == {MANDATORY}
    settings = {name for policy in info.policies for name in policy.configSchema.properties}
    assert settings == {"maxReplicas", "allowIngress"}


def test_the_pack_runs_in_the_environment_of_the_program() -> None:
    lines = (PACK / "PulumiPolicy.yaml").read_text(encoding="utf-8").splitlines()
    (virtualenv,) = (line.partition(": ")[2] for line in lines if line.strip().startswith("virtualenv:"))
    assert (PACK / virtualenv).resolve() == REPOSITORY / ".venv"


def test_a_good_stack_passes(pack: AnalyzerStub, whole: Stack) -> None:
    assert [found.message for one in whole for found in analyzed(pack, one)] == []
    assert [found.message for found in analyzed_stack(pack, whole)] == []


def test_a_resource_is_stopped_before_it_is_made(pack: AnalyzerStub, whole: Stack) -> None:
    stack = edited(whole, SERVICE, "flower", set_at("spec", "type", to="NodePort"))
    (found,) = analyzed(pack, the(stack, SERVICE, "flower"))
    assert (found.policyName, found.enforcementLevel) == ("nothing-public", MANDATORY)
    assert "make it ClusterIP" in found.message


def test_a_stack_is_stopped_with_the_resource_named(pack: AnalyzerStub, whole: Stack) -> None:
    policy = "rabbitmq:index/policy:Policy"
    stack = edited(whole, policy, "signup", drop("policy", "definition", "dead-letter-exchange"))
    (found,) = analyzed_stack(pack, stack)
    assert (found.policyName, found.enforcementLevel) == ("broker-dead-letters", MANDATORY)
    assert found.urn == the(whole, "rabbitmq:index/queue:Queue", "signup").urn


def test_what_a_server_fills_in_is_not_taken_for_declared(pack: AnalyzerStub, whole: Stack) -> None:
    filled_in = edited(whole, DEPLOYMENT, WORKER, set_at("spec", "replicas", to=1))
    assert analyzed_stack(pack, whole, outputs=filled_in) == []
    (found,) = analyzed_stack(pack, filled_in)
    assert "spec.replicas must be left out" in found.message


def test_the_quota_is_as_configured(pack: AnalyzerStub, whole: Stack) -> None:
    def configure(most: int) -> None:
        config = PolicyConfig(enforcementLevel=MANDATORY, properties=on_the_wire({"maxReplicas": most}))
        pack.Configure(ConfigureAnalyzerRequest(policyConfig={"replicas-within-quota": config}))

    configure(14)
    assert analyzed_stack(pack, whole) == []
    configure(13)
    (found,) = analyzed_stack(pack, whole)
    assert found.policyName == "replicas-within-quota"
    assert found.urn == the(whole, SCALED_OBJECT, WORKER).urn
    assert "may be 14, 4 of them here, the quota is 13: " in found.message


def test_what_a_preview_does_not_know_is_not_judged_and_hides_nothing(pack: AnalyzerStub, whole: Stack) -> None:
    unknown = edited(whole, DEPLOYMENT, WORKER, set_at(*IMAGE, to=UNKNOWN_STRING_VALUE))
    assert analyzed(pack, the(unknown, DEPLOYMENT, WORKER)) == []
    env = [{"name": "DIGEST", "value": UNKNOWN_STRING_VALUE}, {"name": "SMTP_PASSWORD", "value": "opensesame"}]
    worse = edited(unknown, DEPLOYMENT, WORKER, set_at(*IMAGE[:-1], "env", to=env))
    (found,) = analyzed(pack, the(worse, DEPLOYMENT, WORKER))
    assert found.policyName == "no-plain-secret"


def test_a_secret_in_the_environment_is_found_and_not_repeated(pack: AnalyzerStub, whole: Stack) -> None:
    value = {**SECRET, "value": "amqp://signup:opensesame@broker/millrace"}
    env = [{"name": "MILLRACE_BROKER_URL", "value": value}]
    stack = edited(whole, DEPLOYMENT, WORKER, set_at(*IMAGE[:-1], "env", to=env))
    (found,) = analyzed(pack, the(stack, DEPLOYMENT, WORKER))
    assert found.policyName == "no-plain-secret"
    assert "opensesame" not in found.message
