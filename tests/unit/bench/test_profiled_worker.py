"""Which part of the lane a stack belongs to."""

import pytest

from bench.profiled_worker import LOOP, PARTS, REST, part_of
from bench.tables import FIGURES


@pytest.mark.parametrize(
    ("inside", "part"),
    [
        (["psycopg.cursor", "workers.lane.transaction", "workers.lane.step"], "committing"),
        (["json", "workers.logs", "workers.report", "workers.lane.telling"], "telling"),
        (["kombu.asynchronous.hub"], REST),
    ],
)
def test_the_innermost_module_that_has_a_part_counts(inside: list[str], part: str) -> None:
    assert part_of([*inside, LOOP, "__main__"]) == part


def test_starting_is_not_draining() -> None:
    assert part_of(["workers.lane.step", "__main__"]) is None


def test_each_part_has_its_column() -> None:
    assert {f"{part}_us" for part in (*PARTS.values(), REST)} <= set(FIGURES)
