"""How the program is run."""

import gc

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
