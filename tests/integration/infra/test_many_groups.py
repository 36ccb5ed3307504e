"""A catalog of 200 groups: all of it is made, a second `up` changes nothing, and the cost grows as the groups do."""

import time
import uuid
from pathlib import Path
from typing import ClassVar

import pytest
from millrace import Catalog, Event, Payload, WorkerGroup, seconds

from infra import offline_engine
from tests.real_servers import Broker

pytestmark = pytest.mark.long


def catalog_of(groups: int) -> Catalog:
    """So many groups that sleep, each with an event type of its own and one that all take."""
    shared = _payload("shared")
    own = [_payload(f"kind_{number}") for number in range(groups)]
    return Catalog(
        events=[Event(payload) for payload in (shared, *own)],
        groups=[
            WorkerGroup(f"g{number}", handles=[payload, shared], longest_runtime=seconds(1), replicas=(0, 2))
            for number, payload in enumerate(own)
        ],
    )


def _payload(kind: str) -> type[Payload]:
    members = {"__doc__": "One of many.", "__annotations__": {"event_type": ClassVar[str]}, "__module__": __name__}
    return type(kind.title(), (Payload,), {**members, "event_type": f"many.{kind}"})


@pytest.mark.timeout(400)
def test_200_groups(broker: Broker, tmp_path: Path) -> None:
    made: dict[int, int] = {}
    for groups in (50, 100, 200):
        stack = f"m{uuid.uuid4().hex[:8]}"
        where = {
            "management_url": broker.management_url,
            "admin_user": broker.admin_user,
            "admin_password": broker.admin_password,
            "state_dir": tmp_path,
        }
        catalog = catalog_of(groups)
        try:
            begun = time.monotonic()
            first = offline_engine.up(stack, catalog=catalog, **where)  # type: ignore[arg-type]
            took = time.monotonic() - begun
            begun = time.monotonic()
            second = offline_engine.up(stack, catalog=catalog, **where)  # type: ignore[arg-type]
            again = time.monotonic() - begun
            made[groups] = len(first.created)
            print(f"{groups} groups: {made[groups]} resources in {took:.1f} s, again in {again:.1f} s")
            assert (second.total, second.unchanged) == (0, made[groups])
        finally:
            offline_engine.destroy(stack, delete_messages=True, **where)  # type: ignore[arg-type]
    each = (made[100] - made[50]) / 50
    assert made[200] - made[100] == 100 * each, "no resource per pair of groups"
