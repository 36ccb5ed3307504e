"""The bell: a loop that waits for its connections looks again at once."""

import time

from kombu.asynchronous import Hub

from workers.lane.bell import Bell

LONG_SECONDS = 5.0


def test_what_a_callback_asks_for_is_done_at_once() -> None:
    """Without the ring the hub waits for its next timer, which is the only other thing that happens here."""
    hub, bell = Hub(), Bell()
    done: list[float] = []

    def first() -> None:
        hub.call_soon(lambda: done.append(time.monotonic()))
        bell.ring()
        bell.ring()

    bell.hang_in(hub)
    hub.call_later(LONG_SECONDS, lambda: None)
    began = time.monotonic()
    hub.call_soon(first)
    while not done and time.monotonic() - began < 2 * LONG_SECONDS:
        hub.run_once()
    hub.close()
    assert done
    assert done[0] - began < LONG_SECONDS / 5


def test_it_rings_no_longer_once_heard() -> None:
    hub, bell = Hub(), Bell()
    bell.hang_in(hub)
    bell.ring()
    hub.call_later(0.3, lambda: None)
    began = time.monotonic()
    hub.run_once()
    hub.run_once()
    hub.close()
    assert time.monotonic() - began > 0.2, "the second turn waits for its timer"
