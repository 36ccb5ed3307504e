"""The line of a relay, in its tests' words."""

from collections.abc import Iterator
from contextlib import contextmanager

from operations.faults.proxy import Proxy


class RelayLine(Proxy):
    """A proxy whose methods are called as the relay's tests call them."""

    def hold_answers(self) -> None:
        """Keep what the broker says."""
        self.hold(up=False)

    def black_hole(self) -> None:
        """Nothing passes, either way; connections are still accepted."""
        self.hold()

    def open_all(self) -> None:
        """Let everything pass, what was held first."""
        self.let_pass()


@contextmanager
def proxy_to(host: str, port: int) -> Iterator[RelayLine]:
    """A proxy for as long as a block runs."""
    with RelayLine(host, port) as proxy:
        yield proxy
