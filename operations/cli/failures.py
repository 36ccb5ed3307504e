"""What expected errors say to a person, and the exit code they end with."""

import sys

from millrace.errors import InvalidEvent, MillraceError, PublishError

from operations.cli import FAILED, INVALID, NOT_RUNNING
from operations.connections import NotRunning


def explained(error: Exception) -> tuple[str | None, int]:
    """The message and the exit code of an error; no message for one that nobody expected."""
    if isinstance(error, NotRunning):
        return str(error), NOT_RUNNING
    if isinstance(error, InvalidEvent):
        return f"invalid event, nothing was sent: {error}", INVALID
    if isinstance(error, PublishError):
        return f"not confirmed by the broker: {error}; `millrace status` shows its state, the same --id is safe", FAILED
    if isinstance(error, MillraceError):
        return str(error), FAILED
    return _of_optional_libraries(error)


def _of_optional_libraries(error: Exception) -> tuple[str | None, int]:
    """Errors of modules that are loaded only if the command used them."""
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    if "operations.local.errors.LocalError" in names:
        return str(error), FAILED
    if "workers.broker_state.BrokerUnreadable" in names:
        return f"{error}; `make up` starts the local one", NOT_RUNNING
    if "sqlalchemy.exc.DBAPIError" in names and "sqlalchemy" in sys.modules:
        first_line = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return f"the database answers: {first_line}; is it up, and has `make up` made its tables?", NOT_RUNNING
    return None, FAILED
