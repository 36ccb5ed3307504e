"""Held deliveries are a fault of brokers that close the channel for them; of others it is said that they do not."""

from types import SimpleNamespace
from typing import cast

import httpx
import pytest

from operations.faults.held import closing_channels
from operations.faults.scenario import NotHere
from operations.faults.world import World


def _world(version: str) -> World:
    answer = httpx.Response(200, json={"rabbitmq_version": version}, request=httpx.Request("GET", "http://broker"))
    transport = httpx.MockTransport(lambda _request: answer)
    return cast(
        "World", SimpleNamespace(management=lambda: httpx.Client(base_url="http://broker", transport=transport))
    )


@pytest.mark.parametrize("version", ["3.10.8", "4.0.5", "4.2.0-rc.1"])
def test_older_brokers_have_it(version: str) -> None:
    with closing_channels(_world(version)):
        pass


@pytest.mark.parametrize("version", ["4.3.6", "4.10.0", "5.0.0"])
def test_newer_ones_are_skipped_with_their_version(version: str) -> None:
    with pytest.raises(NotHere, match=version), closing_channels(_world(version)):
        raise AssertionError
