"""The Pulumi program on mocks: what it declares is the catalog's topology, ordered and locked down."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from millrace import catalog
from millrace.broker_parts import Binding
from millrace.topology import group_topology, stamps, topology
from pulumi.runtime import mocks

from bench.many import catalog_of
from infra.__main__ import declare
from infra.broker_user import PASSWORD_LENGTH
from infra.offline_engine.kinds import POLICY, QUEUE, USER
from infra.offline_engine.recording import RANDOM_PASSWORD, SECRET_MARK, Monitor, Recording, record, run
from infra.offline_engine.resources import Resource
from infra.settings import Settings

VHOST_NAME = "millrace-test"
#: What a stack has whose settings leave AWS out.
CATALOG = catalog.CATALOG.without_aws()
MADE_SECRET = "made-secret"
EXCHANGE = "rabbitmq:index/exchange:Exchange"
BINDING = "rabbitmq:index/binding:Binding"
PERMISSIONS = "rabbitmq:index/permissions:Permissions"
TOPICS = "rabbitmq:index/topicPermissions:TopicPermissions"


def of_type(recording: Recording, type_: str) -> list[Resource]:
    return [resource for resource in recording.resources if resource.type == type_]


def upstream(recording: Recording, resource: Resource) -> set[str]:
    """All that the resource depends on, directly or not."""
    by_urn = {one.urn: one for one in recording.resources}
    found: set[str] = set()
    waiting = list(resource.dependencies)
    while waiting:
        urn = waiting.pop()
        if urn in by_urn and urn not in found:
            found.add(urn)
            waiting += by_urn[urn].dependencies
    return found


@pytest.mark.parametrize(
    ("type_", "part"), [(EXCHANGE, "exchanges"), (QUEUE, "queues"), (POLICY, "policies"), (USER, "users")]
)
def test_resources_are_those_of_the_catalog(recording: Recording, type_: str, part: str) -> None:
    declared = [resource.inputs["name"] for resource in of_type(recording, type_)]
    assert sorted(declared) == sorted(one.name for one in getattr(topology(CATALOG, VHOST_NAME), part))


def test_bindings_are_those_of_the_catalog(recording: Recording) -> None:
    declared = {
        Binding(
            source=one.inputs["source"],
            destination=one.inputs["destination"],
            key=one.inputs.get("routingKey", ""),
            to_exchange=one.inputs["destinationType"] == "exchange",
        )
        for one in of_type(recording, BINDING)
    }
    assert declared == set(topology(CATALOG, VHOST_NAME).bindings)


def test_queue_arguments_are_those_of_the_topology(recording: Recording) -> None:
    declared = {one.name: json.loads(one.inputs["settings"]["argumentsJson"]) for one in of_type(recording, QUEUE)}
    wanted = {one.name: {"x-queue-type": one.kind, **one.arguments} for one in topology(CATALOG, VHOST_NAME).queues}
    assert declared == wanted


def test_every_group_queue_dead_letters_by_policy_and_is_never_without_it(recording: Recording) -> None:
    policies = of_type(recording, POLICY)
    queues = {one.name: one for one in of_type(recording, QUEUE)}
    for group in CATALOG.groups:
        (own,) = [one for one in policies if re.search(one.inputs["policy"]["pattern"], group.name)]
        definition = own.inputs["policy"]["definition"]
        assert definition["dead-letter-strategy"] == "at-least-once"
        assert definition["overflow"] == "reject-publish"
        assert own.urn in upstream(recording, queues[group.name])


def test_stamps_come_after_all_else_of_their_group(recording: Recording) -> None:
    by_urn = {resource.urn: resource for resource in recording.resources}
    for group in CATALOG.groups:
        part = group_topology(CATALOG, group, VHOST_NAME)
        names = {stamp.name for stamp in stamps(CATALOG, group).exchanges}
        for stamp in (one for one in of_type(recording, EXCHANGE) if one.name in names):
            before = [by_urn[urn] for urn in upstream(recording, stamp)]
            assert {one.name for one in before if one.type == QUEUE} >= {queue.name for queue in part.queues}
            assert {one.name for one in before if one.type == POLICY} >= {policy.name for policy in part.policies}
            for type_ in (USER, PERMISSIONS, TOPICS):
                assert {one.name for one in before if one.type == type_} >= {user.name for user in part.users}
            bound = [one for one in before if one.type == BINDING and one.inputs["destination"] in (group.name,)]
            assert len(bound) == sum(binding.destination == group.name for binding in part.bindings)


def test_a_catalog_twice_as_large_has_about_twice_the_dependencies() -> None:
    small, large = (sum(len(one.dependencies) for one in _declared(types)) for types in (25, 50))
    assert large < 2.2 * small


def _declared(types: int) -> tuple[Resource, ...]:
    config = {"endpoint": "http://broker", "username": "guest", "password": "p", "protect": "true", "aws": "false"}
    program = lambda: declare(catalog_of(types), Settings.load())  # noqa: E731
    return record(program, stack="test", config=config, known={}).resources


def test_nothing_is_made_in_the_vhost_before_the_administrator_may(recording: Recording) -> None:
    (admin,) = [one for one in of_type(recording, PERMISSIONS) if one.name == "guest"]
    for type_ in (EXCHANGE, QUEUE, BINDING, POLICY, TOPICS):
        assert all(admin.urn in upstream(recording, resource) for resource in of_type(recording, type_))


def test_no_user_but_the_administrator_may_do_everything(recording: Recording) -> None:
    for permission in of_type(recording, PERMISSIONS):
        if permission.name != "guest":
            for pattern in permission.inputs["permissions"].values():
                assert not re.search(pattern, "some-other-name"), (permission.name, pattern)


def test_topic_permissions_are_there_before_the_right_to_write(recording: Recording) -> None:
    for topics in of_type(recording, TOPICS):
        (permission,) = [one for one in of_type(recording, PERMISSIONS) if one.name == topics.name]
        assert topics.urn in upstream(recording, permission)


def test_every_user_has_a_password_of_its_own(recording: Recording) -> None:
    passwords = {one.name: one.inputs["password"] for one in of_type(recording, USER)}
    assert len(set(passwords.values())) == len(passwords)
    assert all(len(password) == PASSWORD_LENGTH for password in passwords.values())
    assert recording.outputs["users"] == passwords
    assert recording.outputs["vhost"] == VHOST_NAME


class Wire(mocks.Mocks):
    """Keeps inputs as they go over the wire, secrets marked."""

    def __init__(self) -> None:
        self.inputs: list[tuple[str, Mapping[str, Any]]] = []

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise NotImplementedError(args.token)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.inputs.append((args.typ, args.inputs))
        made = {"result": {SECRET_MARK: "1b47061264138c4ac30d75fd1eb44270", "value": MADE_SECRET}}
        return args.name, dict(args.inputs) | (made if args.typ == RANDOM_PASSWORD else {})


def test_no_secret_travels_unmarked(config: dict[str, str]) -> None:
    wire = Wire()
    run(lambda: declare(CATALOG, Settings.load()), Monitor(wire), stack="test", config=config)
    passwords = [inputs["password"] for _, inputs in wire.inputs if "password" in inputs]
    assert len(passwords) == 1 + len(topology(CATALOG, VHOST_NAME).users)
    assert all(SECRET_MARK in password for password in passwords)
    elsewhere = [{**inputs, "password": None} for _, inputs in wire.inputs]
    assert "top-secret" not in json.dumps(elsewhere)
    assert MADE_SECRET not in json.dumps(elsewhere)
