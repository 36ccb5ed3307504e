"""What a worker says whose broker does not let it look for its stamps."""

from types import SimpleNamespace

import amqp
import pytest
from millrace.broker_parts import Exchange, Topology

from workers import agreement
from workers.agreement import Disagreement, missing_stamps


def test_a_broker_that_refuses_the_look_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ 4.3 wants a permission; a stack that was brought up for an older one has none."""

    def refuse(name: str, *_rest: object, **_more: object) -> None:
        raise amqp.AccessRefused(f"access to exchange {name} refused")

    connection = SimpleNamespace(channel=lambda: SimpleNamespace(exchange_declare=refuse), close=lambda: None)
    monkeypatch.setattr(agreement, "connect_broker", lambda _url, **_more: connection)
    with pytest.raises(Disagreement, match=r"must be let see stamps: .*stamp\.a.*run `millrace up`"):
        missing_stamps("amqp://a", Topology(exchanges=(Exchange(name="stamp.a"),)))
