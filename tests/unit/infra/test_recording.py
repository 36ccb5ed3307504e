"""How the program is run."""

import gc
import logging

import pulumi
import pulumi_random as random
import pytest

from infra.offline_engine.recording import record


def test_garbage_is_collected_after_a_run_and_not_in_it() -> None:
    """Whether the program ends well or not."""
    seen: list[bool] = []
    record(lambda: seen.append(gc.isenabled()), stack="dev", config={}, known={})
    assert (seen, gc.isenabled()) == ([False], True)

    def fails() -> None:
        raise ValueError("no such thing")

    with pytest.raises(ValueError, match="no such thing"):
        record(fails, stack="dev", config={}, known={})
    assert gc.isenabled()


def test_a_failure_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Not again by what else waited for it, whenever that is collected."""
    gc.collect()  # what other tests have left
    caplog.clear()

    def refuse(_length: int) -> int:
        raise ValueError("no such length")

    def program() -> None:
        length = pulumi.Output.from_input(1).apply(refuse)
        random.RandomPassword("p", length=length)
        pulumi.export("twice", pulumi.Output.all(length, length))

    with pytest.raises(ValueError, match="no such length"):
        record(program, stack="dev", config={}, known={})
    record(lambda: None, stack="dev", config={}, known={})  # till then Pulumi keeps it
    gc.collect()
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]
