"""No image by its tag."""

import pytest

from infra.guardrails.rule import UNKNOWN
from tests.unit.infra.guardrails.breaking import DIGEST, Edit, Stack, broken, drop, edited, messages, set_at
from tests.unit.infra.guardrails.cluster import BROKER, DEPLOYMENT, WORKER

RULE = "image-by-digest"
POD = ("spec", "template", "spec")
IMAGE = (*POD, "containers", 0, "image")


@pytest.mark.parametrize(
    "edit",
    [
        set_at(*IMAGE, to="millrace"),
        set_at(*IMAGE, to="millrace:latest"),
        set_at(*IMAGE, to="registry.example.com:5000/millrace:1.0"),
        set_at(*IMAGE, to="millrace@sha256:0123"),
        drop(*IMAGE),
        set_at(*POD, "initContainers", to=[{"image": "busybox:1", "name": "first"}]),
        set_at(*POD, "volumes", 0, to={"name": "model", "image": {"reference": "model:latest"}}),
    ],
    ids=["name", "latest", "tag", "half a digest", "none", "first", "volume"],
)
def test_an_image_without_its_digest_is_refused(whole: Stack, edit: Edit) -> None:
    stack = edited(whole, DEPLOYMENT, WORKER, edit)
    assert (RULE, WORKER) in broken(stack)
    assert any("NAME@sha256:DIGEST" in message for message in messages(stack))


def test_a_tag_beside_the_digest_does_no_harm(whole: Stack) -> None:
    tagged = DIGEST.replace("@", ":1.0@")
    assert broken(edited(whole, DEPLOYMENT, WORKER, set_at(*IMAGE, to=tagged))) == set()


def test_what_is_not_known_yet_is_not_judged(whole: Stack) -> None:
    assert broken(edited(whole, DEPLOYMENT, WORKER, set_at(*IMAGE, to=UNKNOWN))) == set()


def test_a_broker_and_a_function_by_tag_are_refused(whole: Stack) -> None:
    assert broken(edited(whole, BROKER, "broker", set_at("spec", "image", to="rabbitmq:4"))) == {(RULE, "broker")}
    override = ("spec", "override", "statefulSet", *IMAGE)
    assert broken(edited(whole, BROKER, "broker", set_at(*override, to="rabbitmq:4"))) == {(RULE, "broker")}
    assert broken(edited(whole, BROKER, "broker", set_at(*override, to=DIGEST))) == set()
    function = next(one for one in whole if one.type == "aws:lambda/function:Function")
    stack = edited(whole, function.type, function.name, set_at("imageUri", to="functions:latest"))
    assert broken(stack) == {(RULE, function.name)}
