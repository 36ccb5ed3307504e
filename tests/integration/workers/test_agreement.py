"""A worker refuses to start when its own group's topology is not what its catalog says, and only then."""

from collections.abc import Iterator

import httpx
import pytest
from millrace import names

from operations.local.ports import free_ports
from tests.integration.workers.stack import Stack, until


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    """The management API as administrator."""
    with stack.broker.management() as found:
        yield found


def refusal(stack: Stack, group: str) -> str:
    """What a worker says that does not start."""
    name = f"{group}-refused"
    (stack.directory / f"{name}.log").unlink(missing_ok=True)
    process = stack.start(name, f"group.{group}", "workers", group)
    assert process.wait(60) == 78
    return stack.log(name)


def test_queue_of_another_type(stack: Stack, client: httpx.Client) -> None:
    """Celery would not notice a classic queue: the worker's own check does."""
    queue = f"/api/queues/{stack.vhost}/ledger"
    client.delete(queue).raise_for_status()
    client.put(queue, json={"durable": True, "arguments": {"x-queue-type": "classic"}}).raise_for_status()
    said = refusal(stack, "ledger")
    assert "ledger" in said
    assert "classic" in said


def test_edited_policy(stack: Stack, client: httpx.Client) -> None:
    """Each part of the policy counts."""
    policy = f"/api/policies/{stack.vhost}/fragile"
    edited = client.get(policy).raise_for_status().json()
    edited["definition"]["delivery-limit"] = 5
    client.put(policy, json=edited).raise_for_status()

    def effective() -> object:
        return stack.queue("fragile").get("effective_policy_definition", {}).get("delivery-limit")

    until(lambda: effective() == 5, what="the edited policy's effect")
    assert "delivery-limit" in refusal(stack, "fragile")


def test_a_management_api_that_is_out(stack: Stack) -> None:
    """The stamps agree, so it works: of a cluster it may be the one node that is away."""
    out = stack.monitoring_url.rpartition(":")[0] + f":{free_ports(1)[0]}"
    process = stack.start("unread", "group.flaky", "workers", "flaky", MILLRACE_MONITORING_URL=out)
    stack.consuming("flaky")
    assert "the stamps agree, and the arguments were not compared" in stack.log("unread")
    process.terminate()
    assert process.wait(60) == 0


def test_missing_stamp(stack: Stack, client: httpx.Client) -> None:
    """Without a monitoring user the stamps still tell."""
    listed = client.get(f"/api/exchanges/{stack.vhost}").raise_for_status().json()
    stamps = [each["name"] for each in listed if each["name"].startswith("stamp.fragile.policy")]
    client.delete(f"/api/exchanges/{stack.vhost}/{stamps[0]}").raise_for_status()
    assert stamps[0] in refusal(stack, "fragile")


def test_others_run(stack: Stack) -> None:
    """What belongs to other groups does not concern a worker."""
    stack.start_worker("flaky")
    stack.consuming("flaky")


def test_missing_binding(stack: Stack, client: httpx.Client) -> None:
    """A binding that was removed is named, with its key."""
    place = f"/api/bindings/{stack.vhost}/e/{names.EVENTS}/q/flaky"
    listed = client.get(place).raise_for_status().json()
    one = next(each for each in listed if each["routing_key"] == "order.placed")
    client.delete(f"{place}/{one['properties_key']}").raise_for_status()
    until(lambda: len(client.get(place).json()) == len(listed) - 1, what="the unbinding")
    assert "order.placed" in refusal(stack, "flaky")


def test_unknown_group(stack: Stack) -> None:
    """A group that the catalog does not have is said so."""
    process = stack.start("nobody", "group.ledger", "workers", "nobody")
    assert process.wait(30) == 78
    assert "no group 'nobody'" in stack.log("nobody")
