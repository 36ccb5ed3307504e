"""What may run in a batch: what nobody can have begun yet."""

from typing import Any
from unittest.mock import Mock

import pytest
from millrace import names, seal
from millrace.events import UserSignedUp

from workers.lane.entry import Entry
from workers.received import Received

_PAYLOAD = UserSignedUp(user_id="1")


def entry(*, generation: int = 0, headers: dict[str, Any] | None = None, **delivery: Any) -> Entry:
    message = Mock(delivery_info={"redelivered": False, "exchange": names.IN, **delivery}, headers=headers or {})
    envelope = seal(_PAYLOAD, source="/x", id="1")
    return Entry(message, Received(envelope=envelope, payload=_PAYLOAD, generation=generation))


@pytest.mark.parametrize("exchange", [names.IN, names.EVENTS, names.GROUPS])
def test_a_first_delivery_is_fresh(exchange: str) -> None:
    assert entry(exchange=exchange).fresh


@pytest.mark.parametrize(
    "suspect",
    [
        entry(redelivered=True),
        entry(headers={"x-delivery-count": 1}),
        entry(generation=1),
        entry(exchange=names.DELAY_EXIT),
        entry(exchange=names.delay_level(3)),
        entry(exchange=""),
    ],
    ids=["redelivered", "delivery count", "replay", "delay's exit", "delay's level", "by hand"],
)
def test_what_may_have_begun_is_not(suspect: Entry) -> None:
    assert not suspect.fresh
