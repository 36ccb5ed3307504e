"""How long something has been seen unchanged, by one process' own monotonic clock."""

import threading
from dataclasses import dataclass, field

import pytest

from workers.stores import watch as module
from workers.stores.store import StoreUnavailable
from workers.stores.watch import AGAIN_SECONDS, REMEMBERED_SECONDS, Watch


@dataclass
class Clock:
    """A clock that the test turns on."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Marks:
    """What was marked; fails as often as told before it takes a mark."""

    failures: int = 0
    made: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, key: str, token: str) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable
        self.made.append((key, token))


def test_remaining_counts_from_the_first_sight() -> None:
    """The time before it was seen does not count: nobody knows how long that was."""
    clock = Clock()
    watch = Watch(Marks(), clock)
    assert watch.remaining("k", "t", 30) == 30
    clock.now += 10
    assert watch.remaining("k", "t", 30) == 20
    clock.now += 25
    assert watch.remaining("k", "t", 30) == 0
    watch.close()


def test_another_token_begins_anew() -> None:
    """Time seen of one claim is not time of the next."""
    clock = Clock()
    watch = Watch(Marks(), clock)
    watch.remaining("k", "t", 30)
    clock.now += 100
    assert watch.remaining("k", "u", 30) == 30
    watch.close()


def test_only_what_was_seen_for_its_whole_time_is_marked() -> None:
    """Once, under the token that was seen."""
    clock, marks = Clock(), Marks()
    watch = Watch(marks, clock)
    watch.remaining("short", "t", 10)
    watch.remaining("long", "t", 20)
    clock.now += 9.9
    watch.mark_due()
    assert marks.made == []
    clock.now += 0.1
    watch.mark_due()
    watch.mark_due()
    assert marks.made == [("short", "t")]
    watch.close()


def test_a_mark_that_the_store_does_not_take_is_tried_again() -> None:
    """Meanwhile this process still knows."""
    clock, marks = Clock(), Marks(failures=1)
    watch = Watch(marks, clock)
    watch.remaining("k", "t", 10)
    clock.now += 10
    watch.mark_due()
    assert (marks.made, watch.remaining("k", "t", 10)) == ([], 0)
    clock.now += AGAIN_SECONDS
    watch.mark_due()
    assert marks.made == [("k", "t")]
    watch.close()


def test_what_was_marked_is_known_a_while_longer() -> None:
    """Who has read the store just before the mark still hears that the lease is over; then it is forgotten."""
    clock, marks = Clock(), Marks()
    watch = Watch(marks, clock)
    watch.remaining("k", "t", 10)
    clock.now += 10
    watch.mark_due()
    assert (marks.made, watch.remaining("k", "t", 10)) == ([("k", "t")], 0)
    clock.now += REMEMBERED_SECONDS
    watch.mark_due()
    assert (marks.made, watch.remaining("k", "t", 10)) == ([("k", "t")], 10)
    watch.close()


def test_the_thread_marks_by_itself_and_ends() -> None:
    """On the real clock, soonest first, whatever came first."""
    before = set(threading.enumerate())
    marked = threading.Event()
    made: list[str] = []

    def mark(key: str, _token: str) -> None:
        made.append(key)
        if len(made) == 2:
            marked.set()

    watch = Watch(mark)
    watch.remaining("second", "t", 0.2)
    watch.remaining("first", "t", 0.05)
    assert marked.wait(10)
    watch.close()
    assert made == ["first", "second"]
    assert "millrace-watch" not in {thread.name for thread in threading.enumerate() if thread not in before}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes beyond the bound is not watched: it waits until it is looked at when there is room."""
    monkeypatch.setattr(module, "MOST", 2)
    clock = Clock()
    watch = Watch(Marks(), clock)
    for key in ("a", "b", "c"):
        watch.remaining(key, "t", 10)
    clock.now += 5
    assert [watch.remaining(key, "t", 10) for key in ("a", "b", "c")] == [5, 5, 10]
    watch.close()
