"""`millrace verify` against a real broker that somebody has changed by hand."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import Result

from operations.verify import verify
from tests.integration.operations.conftest import Millrace
from tests.integration.workers.sample_catalog import CATALOG
from tests.integration.workers.stack import Stack
from tests.real_servers import Broker


@pytest.fixture(scope="module")
def stack(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack without processes; the store is not looked at."""
    directory: Path = tmp_path_factory.mktemp("stack")
    stack = Stack(broker, "sqlite://", directory, f"v{uuid.uuid4().hex[:8]}")
    stack.up()
    yield stack
    stack.destroy()


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    """The management API as administrator; what a test changed is put back afterwards."""
    with stack.broker.management() as found:
        yield found
    stack.up()


def admin_url(stack: Stack) -> str:
    login = f"http://{stack.broker.admin_user}:{stack.broker.admin_password}@"
    return stack.broker.management_url.replace("http://", login)


def found(millrace: Millrace, stack: Stack) -> list[str]:
    """What verify says at once when it may see everything."""
    result = millrace("verify", "--json", MILLRACE_MONITORING_URL=admin_url(stack))
    assert result.exit_code == 1, result.output
    verdict = json.loads(result.stdout)
    return [*verdict["differences"], *verdict["extras"]]


def test_what_up_made_agrees(millrace: Millrace, stack: Stack) -> None:
    result: Result = millrace("verify")
    assert result.exit_code == 0, result.output
    assert "users were not looked at" in result.stderr
    verdict = verify(admin_url(stack), stack.vhost, CATALOG)
    assert (verdict.differences, verdict.extras, verdict.users_seen) == ([], [], True)


def test_an_edited_policy(millrace: Millrace, client: httpx.Client, stack: Stack) -> None:
    policy = f"/api/policies/{stack.vhost}/fragile"
    edited = client.get(policy).raise_for_status().json()
    edited["definition"]["delivery-limit"] = 5
    client.put(policy, json=edited).raise_for_status()
    assert "policy fragile: delivery-limit must be 1000, is 5" in found(millrace, stack)


def test_bindings_missing_and_beyond(millrace: Millrace, client: httpx.Client, stack: Stack) -> None:
    place = f"/api/bindings/{stack.vhost}/e/events/q/flaky"
    client.delete(f"{place}/order.placed").raise_for_status()
    client.post(place, json={"routing_key": "order.shipped"}).raise_for_status()
    assert found(millrace, stack) == [
        "binding events -> flaky (order.placed): missing",
        "binding events -> flaky (order.shipped): not in the catalog",
    ]
    client.delete(f"{place}/order.shipped").raise_for_status()


@pytest.mark.parametrize("key", ["#", "order.*"])
def test_a_binding_that_switches_parking_off(millrace: Millrace, client: httpx.Client, stack: Stack, key: str) -> None:
    place = f"/api/bindings/{stack.vhost}/e/events/q/flaky"
    made = client.post(place, json={"routing_key": key}).raise_for_status()
    assert found(millrace, stack) == [
        f"binding events -> flaky ({key}): not in the catalog; it takes what no group takes, so nothing is parked"
    ]
    client.delete(f"{place}/{made.headers['Location'].rpartition('/')[2]}").raise_for_status()


def test_a_user_with_more_rights(client: httpx.Client, stack: Stack) -> None:
    user = f"{stack.vhost}.service.web"
    everything = {"configure": ".*", "write": "^in$", "read": "^$"}
    client.put(f"/api/permissions/{stack.vhost}/{user}", json=everything).raise_for_status()
    verdict = verify(admin_url(stack), stack.vhost, CATALOG)
    assert verdict.differences == [f"user {user}: configure must be ^$, is .*"]


def test_a_queue_recreated_as_classic(millrace: Millrace, client: httpx.Client, stack: Stack) -> None:
    queue = f"/api/queues/{stack.vhost}/ledger"
    client.delete(queue).raise_for_status()
    client.put(queue, json={"durable": True, "arguments": {"x-queue-type": "classic"}}).raise_for_status()
    assert "queue ledger: must be quorum, is classic" in found(millrace, stack)
    client.delete(queue).raise_for_status()
