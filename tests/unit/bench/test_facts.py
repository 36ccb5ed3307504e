"""What a benchmark says of what it ran on."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from bench import facts
from bench.servers import Servers


@contextmanager
def management() -> Iterator[httpx.Client]:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"rabbitmq_version": "4.3.6", "erlang_version": "27"})

    with httpx.Client(base_url="http://broker", transport=httpx.MockTransport(answer)) as client:
        yield client


@contextmanager
def database() -> Iterator[Any]:
    row = ("15.14 (Debian)",)
    yield SimpleNamespace(execute=lambda _query: SimpleNamespace(fetchone=lambda: row))


def test_peers_are_asked_only_where_they_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their environment is made for `make bench` alone."""
    monkeypatch.setattr(facts, "PEER_PYTHON", "/no/such/python")
    servers = cast("Servers", SimpleNamespace(broker=SimpleNamespace(management=management), database=database))
    found = facts.versions(servers)
    assert (found["rabbitmq"], found["erlang"], found["postgresql"]) == ("4.3.6", "27", "15.14")
    with pytest.raises(FileNotFoundError, match="/no/such/python"):
        facts.peers()
