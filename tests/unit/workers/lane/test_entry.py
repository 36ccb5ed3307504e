"""What may run in a batch: what nobody can have begun yet."""

from typing import Any
from unittest.mock import Mock

import pytest
from millrace import names, seal
from millrace.events import UserSignedUp

from workers.lane.entry import is_fresh
from workers.outgoing import BEGUN_HEADER
from workers.received import Received

_PAYLOAD = UserSignedUp(user_id="1")


def fresh(*, generation: int = 0, headers: dict[str, Any] | None = None, **delivery: Any) -> bool:
    message = Mock(delivery_info={"redelivered": False, "exchange": names.IN, **delivery}, headers=headers or {})
    envelope = seal(_PAYLOAD, source="/x", id="1")
    return is_fresh(message, Received(envelope=envelope, payload=_PAYLOAD, generation=generation))


@pytest.mark.parametrize("exchange", [names.IN, names.EVENTS, names.GROUPS])
def test_a_first_delivery_is_fresh(exchange: str) -> None:
    assert fresh(exchange=exchange)


@pytest.mark.parametrize("exchange", [names.DELAY_EXIT, names.delay_level(3)])
def test_what_has_only_waited_is_fresh(exchange: str) -> None:
    assert fresh(exchange=exchange)
    assert not fresh(exchange=exchange, headers={BEGUN_HEADER: True})


@pytest.mark.parametrize(
    "suspect",
    [
        {"redelivered": True},
        {"headers": {"x-delivery-count": 1}},
        {"generation": 1},
        {"exchange": names.DELAY_EXIT, "redelivered": True},
        {"exchange": ""},
    ],
    ids=["redelivered", "delivery count", "replay", "waited, and redelivered", "by hand"],
)
def test_what_may_have_begun_is_not(suspect: dict[str, Any]) -> None:
    assert not fresh(**suspect)
