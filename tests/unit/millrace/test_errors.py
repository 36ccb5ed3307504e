"""What callers may rely on: the family of each error, and what its message says."""

import subprocess
import sys

import pytest
from millrace import errors


@pytest.mark.parametrize(
    "error",
    [errors.Unroutable, errors.Refused, errors.ChannelClosed, errors.ConfirmTimeout, errors.BrokerUnreachable],
)
def test_what_may_be_sent_again_is_a_publish_error(error: type[errors.PublishError]) -> None:
    assert issubclass(error, errors.PublishError)
    assert not issubclass(error, errors.InvalidEvent)


def test_every_error_is_millraces() -> None:
    own = [each for each in vars(errors).values() if isinstance(each, type)]
    assert all(issubclass(each, errors.MillraceError) for each in own)


def test_what_a_handler_raises_tells_its_outcome() -> None:
    assert issubclass(errors.NotDone, errors.Retryable)
    for outcome in (errors.Retryable, errors.Permanent, errors.Discard):
        assert issubclass(outcome, errors.HandlerError)
    assert not issubclass(errors.Permanent, errors.Retryable)


def test_an_invalid_event_names_its_field() -> None:
    error = errors.InvalidEvent("data.user_id", "must be text")
    assert (error.field, error.problem, str(error)) == ("data.user_id", "must be text", "data.user_id: must be text")


def test_a_message_is_bounded_however_long_what_came_is() -> None:
    bound = 400
    assert len(str(errors.UnknownEventType("x" * 60_000))) < bound
    assert len(str(errors.UnknownSchemaVersion("x" * 60_000))) < bound


def test_a_bulk_error_counts_and_gives_an_example() -> None:
    failed: dict[str, errors.PublishError] = {"a": errors.Refused("full"), "b": errors.ConfirmTimeout("late")}
    error = errors.NotAllPublished(failed)
    assert str(error) == "2 events were not confirmed, a among them: full"
    assert error.failed is failed


def test_errors_import_nothing_else_of_millrace() -> None:
    code = "import runpy, sys; runpy.run_path(sys.argv[1])\n"
    code += "assert not [n for n in sys.modules if n.split('.')[0] == 'millrace']"
    subprocess.run([sys.executable, "-c", code, str(errors.__file__)], check=True)
