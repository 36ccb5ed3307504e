"""Parts of a run at once: all that they tell is heard, and none that fails is taken for one that is through."""

import os
import time
from dataclasses import dataclass

import psutil
import pytest

from operations.faults.parallel import run_in_parts
from operations.faults.run import Begun, Hear, Progress, Run, Said
from operations.local.errors import LocalError


@dataclass(frozen=True, kw_only=True)
class Telling(Run):
    """Tells its number."""

    def go(self, hear: Hear) -> None:
        hear(Said(str(self.part)))
        hear(Begun(f"of {self.parts}"))


@dataclass(frozen=True, kw_only=True)
class Failing(Run):
    """The second part fails; the first one would go on for long."""

    def go(self, hear: Hear) -> None:
        hear(Said(str(os.getpid())))
        if self.part == 0:
            time.sleep(3600)
        raise LocalError("no broker here")


@dataclass(frozen=True, kw_only=True)
class Dying(Run):
    """The second part dies without a word."""

    def go(self, _hear: Hear) -> None:
        if self.part == 1:
            os._exit(3)


@pytest.mark.parametrize("parts", [1, 2])
def test_what_each_part_tells_is_heard(parts: int) -> None:
    heard: list[Progress] = []
    run_in_parts(Telling(events=50, seed=1), parts, heard.append)
    assert sorted(told.text for told in heard if isinstance(told, Said)) == [str(part) for part in range(parts)]
    assert heard.count(Begun(f"of {parts}")) == parts


def test_one_that_cannot_go_on_says_why_and_the_others_end() -> None:
    heard: list[Progress] = []
    with pytest.raises(LocalError, match="no broker here"):
        run_in_parts(Failing(events=50, seed=1), 2, heard.append)
    assert not [told for told in heard if isinstance(told, Said) and psutil.pid_exists(int(told.text))]


def test_one_that_dies_is_not_taken_for_one_that_is_through() -> None:
    run = Dying(events=50, seed=1)
    with pytest.raises(LocalError, match="part 2 of 2 must run to its end, got exit code 3"):
        run_in_parts(run, 2, lambda _told: None)
