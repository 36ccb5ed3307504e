"""What passes within seconds is no alert; what lasts is."""

from collections.abc import Sequence
from dataclasses import replace

from millrace.catalog import CATALOG

from operations.lasting import lasting_alerts
from operations.queue_numbers import QueueNumbers
from operations.status import Situation
from operations.store_numbers import StoreNumbers

QUEUES = {group.name: QueueNumbers(consumers=1) for group in CATALOG.groups} | {"parked": QueueNumbers(consumers=1)}
QUIET = Situation(queues=QUEUES, store=StoreNumbers())
STUCK = replace(QUIET, queues={**QUEUES, "parked": QueueNumbers(ready=1, consumers=1)})
NO_KEEPER = replace(QUIET, queues={**QUEUES, "parked": QueueNumbers()})
IDLE_GROUP = replace(QUIET, queues={**QUEUES, "signup": QueueNumbers(ready=1)})
REJECTED = replace(QUIET, store=StoreNumbers(rejected=1))


def found(*looks: Situation) -> tuple[list[str], Sequence[float]]:
    """The kinds of the alerts in a row of looks, the last of which lasts, and the waits between them."""
    left = list(looks)
    waits: list[float] = []
    kinds = [
        alert.kind for alert in lasting_alerts(lambda: left.pop(0) if len(left) > 1 else left[0], CATALOG, waits.append)
    ]
    return kinds, waits


def test_a_quiet_stack_and_what_does_not_pass_are_told_at_once() -> None:
    assert found(QUIET) == ([], [])
    assert found(REJECTED) == (["rejected"], [])


def test_what_lasts_is_an_alert() -> None:
    for ill, kind in ((STUCK, "keeper stuck"), (NO_KEEPER, "no keeper"), (IDLE_GROUP, "no consumer")):
        kinds, waits = found(ill)
        assert (kinds, sum(waits)) == ([kind], 6)


def test_what_passes_is_none() -> None:
    for ill in (STUCK, NO_KEEPER, IDLE_GROUP):
        assert found(ill, ill, QUIET) == ([], [1, 1])
        assert found(ill, QUIET, ill) == ([], [1])


def test_a_keeper_that_moves_letters_is_not_stuck() -> None:
    assert found(STUCK, replace(STUCK, store=StoreNumbers(last_letter=1)))[0] == []


def test_what_comes_up_while_looking_is_told() -> None:
    assert found(NO_KEEPER, replace(NO_KEEPER, store=StoreNumbers(rejected=1)))[0] == ["rejected", "no keeper"]
