"""Many values at once are counted as one by one."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from workers.histogram import BatchHistogram

BOUNDS = (0.001, 0.5, 1.0, 600.0)
VALUES = st.lists(st.one_of(st.sampled_from(BOUNDS), st.floats(min_value=0, max_value=1e6)))


def counted(values: list[float], *, together: bool) -> dict[str, float]:
    """What a histogram shows."""
    registry = CollectorRegistry()
    histogram = BatchHistogram("it", "takes", ["group"], buckets=BOUNDS, registry=registry).labels("g")
    if together:
        histogram.observe_many(values)
    for value in () if together else values:
        histogram.observe(value)
    (metric,) = registry.collect()
    return {
        f"{each.name} {each.labels.get('le')}": round(each.value, 6)
        for each in metric.samples
        if not each.name.endswith("_created")
    }


@given(VALUES)
def test_it_shows_the_same(values: list[float]) -> None:
    assert counted(values, together=True) == counted(values, together=False)
