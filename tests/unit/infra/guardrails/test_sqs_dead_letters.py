"""No queue or subscription at AWS without dead letters."""

import json

import pytest

from infra.guardrails.rule import UNKNOWN
from infra.offline_engine.resources import Resource
from tests.unit.infra.guardrails.breaking import Edit, Stack, broken, edited, messages, set_at, without

RULE = "sqs-dead-letters"
QUEUE = "aws:sqs/queue:Queue"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
MAXIMUM = {"maxReceiveCount": 5}


def named(whole: Stack, type_: str, *, dead: bool = False) -> Resource:
    """A queue, of those with or without dead letters, or a subscription."""
    return next(one for one in whole if one.type == type_ and ("redrivePolicy" not in one.inputs) is dead)


def redriven(target: str, **more: int) -> Edit:
    return set_at("redrivePolicy", to=json.dumps({"deadLetterTargetArn": target, **more}))


def test_a_queue_without_dead_letters_is_refused(whole: Stack) -> None:
    queue = named(whole, QUEUE).name
    for edit in (
        set_at("redrivePolicy", to=None),
        set_at("redrivePolicy", to="{}"),
        redriven(f"arn:aws:sqs:us-east-1:123456789012:{queue}", **MAXIMUM),
        redriven("arn:aws:sqs:us-east-1:123456789012:elsewhere", **MAXIMUM),
    ):
        stack = edited(whole, QUEUE, queue, edit)
        assert (RULE, queue) in broken(stack)
        assert {rule for rule, _ in broken(stack)} == {RULE}


def test_a_queue_without_any_is_told_what_to_give(whole: Stack) -> None:
    queue = named(whole, QUEUE).name
    said = messages(edited(whole, QUEUE, queue, set_at("redrivePolicy", to=None)))
    assert "redrivePolicy must have a deadLetterTargetArn, of a queue of this stack" in said


def test_what_is_not_known_yet_is_not_judged(whole: Stack) -> None:
    subscription = named(whole, SUBSCRIPTION).name
    assert broken(edited(whole, SUBSCRIPTION, subscription, set_at("redrivePolicy", to=UNKNOWN))) == set()


def test_a_redrive_that_counts_nothing_is_refused(whole: Stack) -> None:
    queue = named(whole, QUEUE)
    target = json.loads(queue.inputs["redrivePolicy"])["deadLetterTargetArn"]
    stack = edited(whole, QUEUE, queue.name, redriven(target))
    assert broken(stack) == {(RULE, queue.name)}
    assert "maxReceiveCount" in messages(stack)[0]


def test_a_subscription_without_dead_letters_is_refused(whole: Stack) -> None:
    subscription = named(whole, SUBSCRIPTION).name
    assert (RULE, subscription) in broken(edited(whole, SUBSCRIPTION, subscription, set_at("redrivePolicy", to=None)))


def test_dead_letters_without_their_queue_are_refused(whole: Stack) -> None:
    dead = named(whole, QUEUE, dead=True).name
    assert {rule for rule, _ in broken(without(whole, QUEUE, dead))} == {RULE}


@pytest.mark.parametrize("type_", [QUEUE, SUBSCRIPTION])
def test_the_program_has_both_kinds(whole: Stack, type_: str) -> None:
    assert named(whole, type_)
