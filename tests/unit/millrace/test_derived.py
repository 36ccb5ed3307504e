"""Every inequality between the derived time limits, for every group there may be."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from millrace import WorkerGroup
from millrace.catalog import CATALOG
from millrace.derived import END_SECONDS, SEND_SECONDS, STORE_SECONDS, timing
from millrace.events import UserSignedUp


def assert_ordered(group: WorkerGroup) -> None:
    limits = timing(group)
    assert limits.soft_limit == group.longest_runtime.total_seconds()
    assert 0 < limits.soft_limit < limits.hard_limit < limits.lease < limits.grace
    around_the_handler = 3 * STORE_SECONDS + 2 * SEND_SECONDS
    assert limits.hard_limit - limits.soft_limit > around_the_handler
    assert limits.lease - limits.hard_limit >= END_SECONDS * 0.999
    assert limits.grace - limits.hard_limit > END_SECONDS


@pytest.mark.parametrize("group", CATALOG.groups, ids=lambda group: group.name)
def test_the_limits_of_the_catalogs_groups(group: WorkerGroup) -> None:
    assert_ordered(group)


@given(longest=st.timedeltas(timedelta(milliseconds=10), timedelta(hours=12)))
def test_the_limits_of_any_group(longest: timedelta) -> None:
    assert_ordered(WorkerGroup("any", handles=[UserSignedUp], longest_runtime=longest))
