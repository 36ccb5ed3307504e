"""What a worker says whose broker does not let it look for its stamps."""

from types import SimpleNamespace
from typing import Any, NoReturn

import amqp
import pytest
from millrace.broker_parts import Exchange, Topology
from millrace.catalog import CATALOG
from structlog.testing import capture_logs

from workers import agreement
from workers.agreement import Disagreement, missing_stamps, require_agreement
from workers.broker_state import BrokerUnreadable


def out_of_reach(monkeypatch: pytest.MonkeyPatch, missing: list[str]) -> Any:
    """A worker that finds these stamps missing, and no management API."""

    def out(_url: str, _vhost: str) -> NoReturn:
        raise BrokerUnreadable("cannot read")

    monkeypatch.setattr(agreement, "missing_stamps", lambda *_: missing)
    monkeypatch.setattr(agreement, "broker_state", out)
    settings = SimpleNamespace(broker_url="amqp://a", monitoring_url="http://b", vhost="millrace-c")
    return SimpleNamespace(settings=settings, catalog=CATALOG, group=CATALOG.groups[0])


def test_a_management_api_that_is_out_keeps_no_worker_from_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be on the one node of a cluster that is away, while the others serve."""
    with capture_logs() as logs:
        require_agreement(out_of_reach(monkeypatch, []))
    assert [one["error"] for one in logs] == ["cannot read"]


def test_without_it_the_stamps_still_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Disagreement, match=r"stamp\.a"):
        require_agreement(out_of_reach(monkeypatch, ["stamp.a"]))


def test_a_broker_that_refuses_the_look_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ 4.3 wants a permission; a stack that was brought up for an older one has none."""

    def refuse(name: str, *_rest: object, **_more: object) -> None:
        raise amqp.AccessRefused(f"access to exchange {name} refused")

    connection = SimpleNamespace(channel=lambda: SimpleNamespace(exchange_declare=refuse), close=lambda: None)
    monkeypatch.setattr(agreement, "connect_broker", lambda _url, **_more: connection)
    with pytest.raises(Disagreement, match=r"must be let see stamps: .*stamp\.a.*run `millrace up`"):
        missing_stamps("amqp://a", Topology(exchanges=(Exchange(name="stamp.a"),)))
