"""Waits until the broker governs each queue by the policy that was declared for it."""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from infra.offline_engine.kinds import POLICY, QUEUE, label
from infra.offline_engine.management import Management
from infra.offline_engine.messages import queues_of
from infra.offline_engine.resources import Resource

DEADLINE_SECONDS = 15.0
INTERVAL_SECONDS = 0.2


def settle(api: Management, vhost: str, declared: Iterable[Resource]) -> dict[str, str]:
    """Wait for it; what is still wrong at the deadline, with what to do, by the queue's label."""
    wanted = expected_policies(tuple(declared))
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        wrong = misgoverned(wanted, queues_of(api, vhost))
        if not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(INTERVAL_SECONDS)


def expected_policies(declared: tuple[Resource, ...]) -> dict[str, tuple[str, str]]:
    """For each declared queue that a declared policy matches: its label, and the policy's name."""
    policies = [one.inputs for one in declared if one.type == POLICY and one.inputs["policy"]["applyTo"] != "exchanges"]
    expected = {}
    for queue in declared:
        if queue.type == QUEUE:
            name = queue.inputs["name"]
            matching = [one for one in policies if re.search(one["policy"]["pattern"], name)]
            if matching:
                best = max(matching, key=lambda one: int(one["policy"]["priority"]))
                expected[name] = label(queue), best["name"]
    return expected


def misgoverned(wanted: Mapping[str, tuple[str, str]], queues: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The queues that exist and are governed by another policy, or by none."""
    wrong = {}
    for name, (called, policy) in wanted.items():
        actual = queues[name].get("policy") if name in queues else policy
        if actual != policy:
            wrong[called] = (
                f"is governed by policy {actual or 'none'!r}, must be {policy!r}; "
                "delete the policies made by hand that match this queue"
            )
    return wrong
