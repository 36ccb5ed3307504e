"""Nothing public, on Kubernetes and at AWS."""

import json
from dataclasses import replace
from typing import Any

import pytest

from infra.guardrails import Limits
from infra.offline_engine.resources import Resource
from tests.unit.infra.guardrails import cluster
from tests.unit.infra.guardrails.breaking import Edit, Stack, broken, edited, messages, set_at
from tests.unit.infra.guardrails.cluster import BROKER, DEPLOYMENT, SERVICE, WORKER

RULE, AT_AWS = "nothing-public", "nothing-public-at-aws"
QUEUE, TOPIC = "aws:sqs/queue:Queue", "aws:sns/topic:Topic"
PERMISSION = "aws:lambda/permission:Permission"
POD = ("spec", "template", "spec")
SNS = {"Service": "sns.amazonaws.com"}


@pytest.mark.parametrize(
    "edit",
    [
        set_at("spec", "type", to="NodePort"),
        set_at("spec", "type", to="LoadBalancer"),
        set_at("spec", "externalIPs", to=["192.0.2.1"]),
    ],
)
def test_a_service_that_is_reached_from_outside_is_refused(whole: Stack, edit: Edit) -> None:
    assert broken(edited(whole, SERVICE, "flower", edit)) == {(RULE, "flower")}


def test_a_patch_is_no_way_round(whole: Stack) -> None:
    service = cluster.thing("kubernetes:core/v1:ServicePatch", "flower", spec={"type": "NodePort"})
    assert broken((*whole, service)) == {(RULE, "flower")}
    (worker,) = (one for one in whole if (one.type, one.name) == (DEPLOYMENT, WORKER))
    more = {"metadata": {"name": "relay", "namespace": cluster.NAMESPACE}, "spec": {**worker.inputs["spec"]}}
    patch = replace(worker, urn="urn:patch", type="kubernetes:apps/v1:DeploymentPatch", name="patch", inputs=more)
    stack = edited((*whole, patch), patch.type, "patch", set_at(*POD, "hostNetwork", to=True))
    assert (RULE, "patch") in broken(stack)


@pytest.mark.parametrize(
    "edit",
    [
        set_at("spec", "service", "type", to="NodePort"),
        set_at("spec", "override", "service", "spec", "type", to="LoadBalancer"),
        set_at("spec", "override", "service", "spec", "externalIPs", to=["192.0.2.1"]),
        set_at("spec", "override", "statefulSet", *POD, "hostNetwork", to=True),
        set_at("spec", "override", "statefulSet", *POD, "containers", 0, "ports", to=[{"hostPort": 5671}]),
    ],
    ids=["service", "override", "addresses", "network", "port"],
)
def test_a_broker_that_is_reached_from_outside_is_refused(whole: Stack, edit: Edit) -> None:
    assert broken(edited(whole, BROKER, "broker", edit)) == {(RULE, "broker")}


@pytest.mark.parametrize(
    "edit",
    [set_at(*POD, "hostNetwork", to=True), set_at(*POD, "containers", 0, "ports", 0, "hostPort", to=9100)],
    ids=["network", "port"],
)
def test_a_pod_on_its_nodes_network_is_refused(whole: Stack, edit: Edit) -> None:
    assert broken(edited(whole, DEPLOYMENT, WORKER, edit)) == {(RULE, WORKER)}


@pytest.mark.parametrize(
    "type_",
    [
        "kubernetes:networking.k8s.io/v1:Ingress",
        *(
            f"kubernetes:gateway.networking.k8s.io/v1:{kind}"
            for kind in ("Gateway", "GRPCRoute", "HTTPRoute", "TCPRoute", "TLSRoute", "UDPRoute")
        ),
    ],
)
def test_a_door_must_be_asked_for(whole: Stack, type_: str) -> None:
    stack = (*whole, cluster.thing(type_, "flower", spec={}))
    assert broken(stack) == {(RULE, "flower")}
    assert "allowIngress" in messages(stack)[0]
    assert broken(stack, Limits(allow_ingress=True)) == set()


def allowing(principal: object, **more: object) -> Edit:
    statement = {"Sid": "Open", "Effect": "Allow", "Principal": principal, "Action": "sqs:SendMessage", **more}
    return set_at("policy", to=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def only(operator: str, key: str, value: object) -> dict[str, Any]:
    return {"Condition": {operator: {key: value}}}


@pytest.mark.parametrize("type_", [QUEUE, TOPIC])
@pytest.mark.parametrize(
    "edit",
    [
        allowing("*"),
        allowing({"AWS": ["*"]}),
        allowing(SNS),
        allowing("*", **only("Bool", "aws:SecureTransport", "true")),
        allowing("*", **only("ArnLikeIfExists", "aws:SourceArn", "arn:aws:sns:us-east-1:123456789012:a")),
        allowing("*", **only("StringEquals", "aws:RequestedRegion", "eu-central-1")),
        allowing("*", **only("StringLike", "aws:SourceArn", "*")),
        set_at("policy", to=json.dumps({"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": "1"}}})),
    ],
    ids=["all", "all of AWS", "service", "by TLS", "if there", "where", "any source", "not"],
)
def test_a_policy_that_lets_everybody_in_is_refused(whole: Stack, type_: str, edit: Edit) -> None:
    name = next(one.name for one in whole if one.type == type_)
    assert broken(edited(whole, type_, name, edit)) == {(AT_AWS, name)}


@pytest.mark.parametrize(
    "edit",
    [
        allowing({"AWS": "arn:aws:iam::123456789012:role/web"}),
        allowing("*", **only("StringEquals", "aws:PrincipalOrgID", "o-millrace")),
        allowing(SNS, **only("ForAnyValue:ArnLike", "aws:SourceArn", "arn:aws:sns:us-east-1:123456789012:a")),
        allowing("*", **only("StringLike", "aws:userid", "AROA:*")),
        allowing("*", **only("StringEqualsIgnoreCase", "aws:username", "web")),
        allowing("*", **only("IpAddress", "aws:SourceIp", "192.0.2.0/24")),
        allowing("*", **only("StringEquals", "kms:CallerAccount", "123456789012")),
        allowing("*", **only("StringEquals", "kms:ViaService", "sqs.eu-central-1.amazonaws.com")),
        set_at("policy", to=json.dumps({"Statement": [{"Effect": "Deny", "Principal": "*"}]})),
        set_at("policy", to={"Statement": [{"Effect": "Allow", "Principal": {"AWS": "123456789012"}}]}),
        set_at("policy", to=None),
        set_at("policy", to="no document"),
    ],
    ids=["role", "organisation", "source", "id", "name", "ip", "account", "via", "deny", "record", "none", "text"],
)
def test_a_policy_for_somebody_is_left_alone(whole: Stack, edit: Edit) -> None:
    name = next(one.name for one in whole if one.type == QUEUE)
    assert broken(edited(whole, QUEUE, name, edit)) == set()


def test_a_function_that_everybody_may_call_is_refused(whole: Stack) -> None:
    name = next(one.name for one in whole if one.type == PERMISSION)
    for principal in ("*", "sns.amazonaws.com"):
        anybody = edited(whole, PERMISSION, name, set_at("principal", to=principal))
        assert broken(anybody) == set()
        assert broken(edited(anybody, PERMISSION, name, set_at("sourceArn", to=None))) == {(AT_AWS, name)}
        for key in ("sourceAccount", "principalOrgId"):
            named = edited(anybody, PERMISSION, name, set_at(key, to="123456789012"))
            assert broken(edited(named, PERMISSION, name, set_at("sourceArn", to=None))) == set()
    account = edited(whole, PERMISSION, name, set_at("principal", to="123456789012"))
    assert broken(edited(account, PERMISSION, name, set_at("sourceArn", to=None))) == set()
    url = Resource(urn="urn:url", type="aws:lambda/functionUrl:FunctionUrl", name="url", inputs={})
    assert broken((*whole, url)) == {(AT_AWS, "url")}
    assert broken(edited((*whole, url), url.type, "url", set_at("authorizationType", to="AWS_IAM"))) == set()
