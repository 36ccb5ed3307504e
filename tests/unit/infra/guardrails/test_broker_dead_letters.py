"""No queue at RabbitMQ without dead letters that arrive."""

import json
from dataclasses import replace

import pytest

from infra.offline_engine.resources import Resource
from tests.unit.infra.guardrails.breaking import Edit, Stack, broken, drop, edited, messages, set_at, without

RULE = "broker-dead-letters"
POLICY = "rabbitmq:index/policy:Policy"
QUEUE = "rabbitmq:index/queue:Queue"
EXCHANGE = "rabbitmq:index/exchange:Exchange"
BINDING = "rabbitmq:index/binding:Binding"
DEFINITION = ("policy", "definition")


@pytest.mark.parametrize(
    "edit",
    [
        drop(*DEFINITION, "dead-letter-exchange"),
        # As a transit queue, though what is tried again comes back to it.
        set_at(*DEFINITION, to={"delivery-limit": 1_000_000_000}),
        set_at("policy", "pattern", to="^another$"),
        set_at("policy", "applyTo", to="exchanges"),
        set_at("vhost", to="another"),
    ],
    ids=["no exchange", "as if transit", "pattern", "of exchanges", "vhost"],
)
def test_a_group_without_dead_letters_is_refused(whole: Stack, edit: Edit) -> None:
    assert broken(edited(whole, POLICY, "signup", edit)) == {(RULE, "signup")}


def test_a_group_whose_policy_is_gone_is_refused(whole: Stack) -> None:
    stack = without(whole, POLICY, "signup")
    assert broken(stack) == {(RULE, "signup")}
    assert "give it a policy with dead-letter-exchange" in messages(stack)[0]


def test_a_stronger_policy_that_forgets_them_is_refused(whole: Stack) -> None:
    (own,) = (one for one in whole if (one.type, one.name) == (POLICY, "signup"))
    inputs = {**own.inputs, "policy": {**own.inputs["policy"], "priority": 9, "definition": {"max-length": "10"}}}
    assert broken((*whole, replace(own, urn="urn:stronger", name="stronger", inputs=inputs))) == {(RULE, "signup")}


@pytest.mark.parametrize("types", ["all", "classic_queues", "quorum_queues"])
def test_a_policy_of_all_or_some_queues_counts(whole: Stack, types: str) -> None:
    assert broken(edited(whole, POLICY, "signup", set_at("policy", "applyTo", to=types))) == set()


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"delivery-limit": 20},
        {"delivery-limit": 1_000_000_000, "message-ttl": 1000},
        {"delivery-limit": 1_000_000_000, "expires": 1000},
        {"delivery-limit": 1_000_000_000, "max-length": 1000},
        {"delivery-limit": 1_000_000_000, "max-length-bytes": 1000},
    ],
    ids=["the broker's limit", "a small limit", "time to live", "expires", "length", "size"],
)
@pytest.mark.parametrize("queue", ["dead.signup", "parked", "rejected"])
def test_a_transit_queue_that_gives_up_is_refused(whole: Stack, queue: str, definition: dict[str, int]) -> None:
    assert broken(edited(whole, POLICY, queue, set_at(*DEFINITION, to=definition))) == {(RULE, queue)}


def test_dead_letters_that_arrive_nowhere_are_refused(whole: Stack) -> None:
    exchanges = {name for rule, name in broken(without(whole, EXCHANGE, "dead")) if rule == RULE}
    assert exchanges == {"signup"}
    binding = next(one for one in whole if one.type == BINDING and one.inputs["destination"] == "dead.signup")
    assert broken(without(whole, BINDING, binding.name)) == {(RULE, "signup")}


def test_dead_letters_by_their_own_keys_need_a_queue_too(whole: Stack) -> None:
    stack = edited(whole, POLICY, "signup", drop(*DEFINITION, "dead-letter-routing-key"))
    assert broken(stack) == set()
    bindings = [one.name for one in whole if one.type == BINDING and one.inputs["source"] == "dead"]
    for name in bindings:
        stack = without(stack, BINDING, name)
    assert broken(stack) == {(RULE, "signup")}
    assert "no queue is bound to exchange 'dead'" in messages(stack)[0]


def test_a_queue_that_goes_with_what_it_holds_is_refused(whole: Stack) -> None:
    assert broken(edited(whole, POLICY, "signup", set_at(*DEFINITION, "expires", to=1000))) == {(RULE, "signup")}
    arguments = json.dumps({"x-queue-type": "quorum", "x-expires": 1000})
    stack = edited(whole, QUEUE, "signup", set_at("settings", "argumentsJson", to=arguments))
    assert broken(stack) == {(RULE, "signup")}
    assert "x-expires deletes it" in messages(stack)[0]


def test_a_level_of_the_delays_without_its_way_out_is_refused(whole: Stack) -> None:
    arguments = json.dumps({"x-queue-type": "quorum", "x-message-ttl": 1000})
    stack = edited(whole, QUEUE, "celery_delayed_0", set_at("settings", "argumentsJson", to=arguments))
    assert broken(stack) == {(RULE, "celery_delayed_0")}


def test_a_queue_is_told_by_its_name_at_the_broker(whole: Stack) -> None:
    (queue,) = (one for one in whole if (one.type, one.name) == (QUEUE, "signup"))
    others = without(whole, QUEUE, "signup")
    assert broken((*others, replace(queue, name="sign-ups"))) == set()
    unnamed = {key: value for key, value in queue.inputs.items() if key != "name"}
    assert broken((*others, replace(queue, inputs=unnamed))) == set()


def test_arguments_may_be_a_record(whole: Stack) -> None:
    arguments = {"x-queue-type": "quorum", "x-dead-letter-exchange": "dead"}
    edit = set_at("settings", to={"durable": True, "arguments": arguments})
    assert broken(edited(whole, QUEUE, "celery_delayed_0", edit)) == set()


def test_a_stream_needs_none(whole: Stack) -> None:
    stream = Resource(
        urn="urn:log",
        type=QUEUE,
        name="log",
        inputs={"name": "log", "vhost": "v", "settings": {"argumentsJson": '{"x-queue-type": "stream"}'}},
    )
    quorum = replace(stream, inputs={**stream.inputs, "settings": {"argumentsJson": '{"x-queue-type": "quorum"}'}})
    assert broken((*whole, stream)) == set()
    assert broken((*whole, quorum)) == {(RULE, "log")}
