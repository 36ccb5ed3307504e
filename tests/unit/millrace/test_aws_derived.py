"""Every inequality between the settings of SQS and Lambda, for every function there may be."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from millrace import LambdaGroup, PlainFunction, Retry
from millrace.aws_derived import (
    INGRESS_VISIBILITY_SECONDS,
    LAMBDA_SECONDS,
    LONGEST_VISIBILITY_SECONDS,
    SQS_BATCH,
    SQS_CALL_SECONDS,
    function_timing,
    plain_visibility,
)
from millrace.derived import MARGIN_SECONDS, SEND_SECONDS, STORE_SECONDS, sending_bound
from millrace.events import UserSignedUp
from millrace.functions import LONGEST_RUNTIME

RUNTIMES = st.timedeltas(min_value=timedelta(milliseconds=10), max_value=LONGEST_RUNTIME)


@given(RUNTIMES, st.integers(1, 100))
def test_a_batch_ends_before_its_function_that_before_its_lease_and_that_before_it_comes_again(
    longest: timedelta, attempts: int
) -> None:
    group = LambdaGroup("f", handles=[UserSignedUp], longest_runtime=longest, retry=Retry(attempts=attempts))
    limits = function_timing(group)
    assert 1 <= limits.batch <= SQS_BATCH
    assert limits.batch * (longest.total_seconds() + STORE_SECONDS) + MARGIN_SECONDS <= limits.timeout
    assert limits.timeout <= LAMBDA_SECONDS
    assert limits.timeout < limits.lease < limits.visibility <= LONGEST_VISIBILITY_SECONDS
    assert attempts < limits.max_receives <= 1_000


@given(st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(minutes=15)))
def test_what_a_plain_function_is_given_stays_hidden_while_it_runs(timeout: timedelta) -> None:
    plain = PlainFunction("f", handles=UserSignedUp, handler="a.b", timeout=timeout)
    assert timeout.total_seconds() < plain_visibility(plain) <= LONGEST_VISIBILITY_SECONDS


def test_the_ingress_sends_and_deletes_before_a_message_comes_again() -> None:
    assert sending_bound(SEND_SECONDS) + 2 * SQS_CALL_SECONDS < INGRESS_VISIBILITY_SECONDS
