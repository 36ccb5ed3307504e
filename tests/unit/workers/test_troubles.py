"""A trouble is said once, and the metric holds until the last one is over."""

import structlog

from workers.service import TROUBLE
from workers.troubles import Troubles


def test_said_once_and_over_once() -> None:
    def metric() -> float:
        return float(TROUBLE.labels("some")._value.get())

    with structlog.testing.capture_logs() as lines:
        troubles = Troubles("some")
        for _ in range(3):
            troubles.note("a", OSError("gone"))
        troubles.note("b", "another")
        troubles.note("a", OSError("still gone"))
        assert metric() == 1
        troubles.over("b")
        assert metric() == 1
        troubles.over("a")
        troubles.over("a")
        assert metric() == 0
    assert [(line["event"], line["what"]) for line in lines] == [
        *(("trouble", "a"), ("trouble", "b"), ("trouble", "a")),
        *(("well again", "b"), ("well again", "a")),
    ]
