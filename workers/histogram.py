"""A Prometheus histogram that is told many values at once."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from prometheus_client import Histogram


class BatchHistogram(Histogram):
    """A histogram whose counters, which lie in files where there are several processes, are written once for many."""

    def observe_many(self, values: Sequence[float]) -> None:
        """Do what `observe` does with each value, none of them NaN."""
        for bucket, count in Counter(bisect_left(self._upper_bounds, value) for value in values).items():
            self._buckets[bucket].inc(count)
        self._sum.inc(sum(values))
