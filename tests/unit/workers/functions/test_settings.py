"""What a function is told."""

from __future__ import annotations

import pytest
from millrace.catalog import CATALOG
from millrace.functions import LambdaGroup

from tests.integration.workers.functions.world import CATALOG_PLACE, HANDLERS
from workers.aws_lambda import make
from workers.environment import SettingsError
from workers.functions.settings import from_environment
from workers.handling import StoreTooWeak

GOOD = {
    "MILLRACE_GROUP": "parts",
    "MILLRACE_DEAD_QUEUE_URL": "http://127.0.0.1:9/1/dead",
    "MILLRACE_INBOX_URL": "dynamodb://inbox?region=us-east-1",
    "MILLRACE_OUTBOX_TABLE": "outbox",
    "MILLRACE_CATALOG": CATALOG_PLACE,
    "MILLRACE_HANDLERS": HANDLERS,
    "MILLRACE_AWS_ENDPOINT": "http://127.0.0.1:9",
}


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Lambda sets it."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def test_all_there() -> None:
    """The function has its group's limits."""
    function = make(from_environment(GOOD))
    assert function.running.group.name == "parts"
    assert function.running.attempts.lease > function.longest


@pytest.mark.parametrize("missing", ["GROUP", "DEAD_QUEUE_URL", "INBOX_URL", "OUTBOX_TABLE"])
def test_missing(missing: str) -> None:
    """It is named."""
    with pytest.raises(SettingsError, match=f"MILLRACE_{missing}"):
        from_environment({name: value for name, value in GOOD.items() if name != f"MILLRACE_{missing}"})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"MILLRACE_INBOX_URL": "redis://127.0.0.1:1/0"}, "DynamoDB"),
        ({"MILLRACE_INBOX_URL": "dynamodb://inbox"}, "region=REGION"),
        ({"MILLRACE_DATABASE_URL": "sqlite://"}, "not both"),
    ],
)
def test_wrong(changed: dict[str, str], said: str) -> None:
    """What it must be is said."""
    with pytest.raises(SettingsError, match=said):
        from_environment({**GOOD, **changed})


def test_no_such_group() -> None:
    """Those that there are, are named."""
    with pytest.raises(SettingsError, match=r"MILLRACE_GROUP must be one of \['parts', .*got 'nobody'"):
        make(from_environment({**GOOD, "MILLRACE_GROUP": "nobody"}))


def test_too_weak_an_inbox() -> None:
    """A handler that needs the database is refused where the inbox is in DynamoDB."""
    with pytest.raises(StoreTooWeak, match=r"note_part \(part.noted\) needs TRANSACTIONAL"):
        make(from_environment({**GOOD, "MILLRACE_GROUP": "notes"}))


def test_where_the_inbox_is() -> None:
    """It must be said with True or False."""
    handled = [CATALOG.events[0].payload]
    assert LambdaGroup("x", handles=handled, database=True).database
    with pytest.raises(ValueError, match="database must be True or False"):
        LambdaGroup("x", handles=handled, database="yes")  # type: ignore[arg-type]
