"""What several rounds say together: the middle, and how far they lie apart."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

Figures = dict[str, float]


@dataclass(frozen=True)
class Spread:
    """The median, the lowest and the highest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int = 2) -> str:
        """The middle, with the ends in brackets if they differ."""
        middle, low, high = (f"{value:,.{digits}f}" for value in (self.middle, self.low, self.high))
        return middle if low == high else f"{middle} ({low}-{high})"


def ratios(rounds: Sequence[Figures], base: Sequence[Figures], figure: str) -> Spread | None:
    """A figure against the same of another, round by round: what the machine did meanwhile met both."""
    pairs = [(one[figure], other[figure]) for one, other in zip(rounds, base, strict=False)]
    found = [one / other for one, other in pairs if other]
    return Spread.of(found) if found else None


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of the sorted values lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
