"""The publisher while the broker is in a memory alarm, and when it was killed: on a node of the test's own."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from millrace.errors import ConfirmTimeout
from millrace.events import UserSignedUp
from millrace.publishing import Publisher

from tests.conftest import FRESH_STATISTICS
from tests.integration.millrace.stack import Stack, applied_stack, wait_until
from tests.real_servers import own_broker

#: No machine has so little memory that a running broker keeps below it; what the broker has by default.
ALARMING, USUAL = "0.00001", "0.4"
TIMEOUT = 1.0
BOUND = 10 * TIMEOUT


@dataclass(frozen=True, kw_only=True)
class OwnNode:
    """A stack on a broker that nobody else uses, and its command line tool."""

    stack: Stack
    control: Callable[..., None]

    def set_memory_limit(self, share: str) -> None:
        """Set the share of memory beyond which the broker stops reading, and wait until it does, or reads again."""
        self.control("set_vm_memory_high_watermark", share)
        wanted = share == ALARMING
        wait_until(lambda: self._alarm() is wanted, f"the memory alarm must be {wanted}")

    def _alarm(self) -> bool | None:
        """Whether the node is in alarm; None while the management API does not know yet."""
        nodes = self.stack.client.get("/api/nodes").raise_for_status().json()
        known: bool | None = nodes[0].get("mem_alarm")
        return known


@pytest.fixture
def own_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnNode]:
    directory: Path = tmp_path_factory.mktemp("node")
    with (
        own_broker(directory, (FRESH_STATISTICS,)) as (broker, control),
        applied_stack(broker, tmp_path_factory.mktemp("state")) as stack,
    ):
        yield OwnNode(stack=stack, control=control)


@pytest.mark.timeout(240)
def test_an_alarm_is_told_in_bounded_time_and_publishing_works_again_after_it(own_node: OwnNode) -> None:
    stack = own_node.stack
    with Publisher(stack.service_url(), timeout=TIMEOUT) as publisher:
        publisher.publish(UserSignedUp(user_id="1"), id="before")
        own_node.set_memory_limit(ALARMING)
        try:
            for _ in range(2):  # on the old connection, and on one made during the alarm
                start = time.monotonic()
                with pytest.raises(ConfirmTimeout, match=r"within 1 s: it takes none \(low on memory\)"):
                    publisher.publish(UserSignedUp(user_id="1"), id="during")
                assert time.monotonic() - start < BOUND
            start = time.monotonic()
            publisher.close()
            assert time.monotonic() - start < BOUND
        finally:
            own_node.set_memory_limit(USUAL)
        publisher.publish(UserSignedUp(user_id="1"), id="after")
    arrived = [event.id for event in stack.taken("signup", 2)]
    assert arrived[0] == "before"
    assert "after" in arrived
