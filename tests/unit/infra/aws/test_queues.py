"""When a queue of SQS counts as empty."""

from typing import Any, cast

import pytest

from infra.offline_engine.aws.clients import Clients
from infra.offline_engine.aws.queues import QueueKind


class Approximate:
    """SQS with one queue, whose numbers are these, one at each look; the last one stays."""

    def __init__(self, *counts: int) -> None:
        self._counts = list(counts)

    def __call__(self, _service: str) -> "Approximate":
        return self

    def queue_url(self, name: str) -> str:
        return name

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        count = self._counts.pop(0) if len(self._counts) > 1 else self._counts[0]
        return {"Attributes": {"ApproximateNumberOfMessages": str(count), "ApproximateNumberOfMessagesNotVisible": "0"}}


@pytest.mark.parametrize(("looks", "held"), [((0,), 0), ((0, 1), 1), ((0, 0, 2), 2), ((3, 0), 3)])
def test_a_message_that_is_just_being_received_is_not_overlooked(looks: tuple[int, ...], held: int) -> None:
    """It is in none of the numbers for a moment; a queue that is held for empty is removed with it."""
    assert QueueKind().held({"name": "q"}, cast("Clients", Approximate(*looks))) == held
