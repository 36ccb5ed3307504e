"""What others took of the machine."""

from bench.elsewhere import busy_seconds, others_percent


def test_what_is_not_ours_is_others() -> None:
    assert others_percent(busy=3.0, own=2.0, seconds=2.0, cores=2) == 25.0


def test_clocks_that_tick_apart_give_no_negative_share() -> None:
    assert others_percent(busy=1.99, own=2.0, seconds=1.0, cores=2) == 0.0


def test_a_machine_has_worked() -> None:
    assert busy_seconds() > 0
