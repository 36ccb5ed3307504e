"""How a failing event is tried again."""

import random
from dataclasses import dataclass
from datetime import timedelta

from millrace.checks import lasts, require, within

#: The longest delay that 28 binary levels hold is eight years; a month is the longest that is sensible.
MAX_DELAY = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often a failing event is tried, and how long it waits between: delay x factor^n, jitter either way."""

    attempts: int = 5
    delay: timedelta = timedelta(seconds=2)
    factor: float = 3.0
    longest_delay: timedelta = timedelta(minutes=10)
    jitter: float = 0.1

    def __post_init__(self) -> None:
        whole = isinstance(self.attempts, int) and within(1, self.attempts, 100)
        require(whole, "Retry.attempts", "a whole number, 1 to 100", self.attempts)
        delays = lasts(timedelta(seconds=1), self.delay, MAX_DELAY)
        require(delays, "Retry.delay", "a timedelta, 1 second to 30 days", self.delay)
        in_range = lasts(self.delay, self.longest_delay, MAX_DELAY)
        require(in_range, "Retry.longest_delay", "a timedelta between Retry.delay and 30 days", self.longest_delay)
        require(within(1, self.factor, 100), "Retry.factor", "1 to 100", self.factor)
        require(within(0, self.jitter, 0.5), "Retry.jitter", "0 to 0.5", self.jitter)

    def delay_after(self, attempt: int) -> int:
        """Whole seconds to wait after the given failed attempt (1 is the first), jitter included."""
        grown = self.delay.total_seconds() * self.factor ** min(attempt - 1, 100)
        bounded = min(grown, self.longest_delay.total_seconds())
        spread = bounded * (1 + random.uniform(-self.jitter, self.jitter))  # noqa: S311
        return max(1, round(spread))
