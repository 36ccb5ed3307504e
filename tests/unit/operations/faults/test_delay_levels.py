"""When delayed events move on."""

import pytest

from operations.faults.delay_levels import held_up, moves


def test_the_largest_level_is_the_first() -> None:
    assert moves(100.0, 0b1011) == [108.0, 110.0, 111.0]
    assert moves(100.0, 4) == [104.0]


@pytest.mark.parametrize(
    ("absence", "late"),
    [
        (None, 0.0),
        ((101.0, 107.9), 0.0),  # it stays in its first level all the while
        ((107.0, 109.0), 1.0),  # it had to move at 108
        ((107.0, 110.5), 2.5),
        ((111.5, 120.0), 0.0),  # it was due before
        ((110.5, 115.0), 4.0),  # it came due meanwhile
    ],
)
def test_what_has_to_move_while_the_broker_is_away_is_late_by_the_rest(
    absence: tuple[float, float] | None, late: float
) -> None:
    assert held_up(100.0, 0b1011, absence) == late
