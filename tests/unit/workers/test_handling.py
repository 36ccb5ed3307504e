"""Handlers by group: found, or refused with what is missing."""

import sys
import types
from collections.abc import Sequence
from unittest.mock import Mock

import pytest
from millrace.catalog import CATALOG
from millrace.declarations import WorkerGroup
from millrace.events import AccountCreated, UserSignedUp

from workers.handling import (
    Handler,
    HandlerMissing,
    StoreTooWeak,
    group_of,
    handles,
    handles_batch,
    load_handlers,
    require_level,
)
from workers.stores.level import Level
from workers.work import UnitOfWork


def test_group_of_a_module() -> None:
    """Underscores in a module's name are dashes in its group's."""
    assert group_of("workers.handlers.order_mail") == "order-mail"


@pytest.mark.parametrize("group", CATALOG.groups, ids=lambda group: group.name)
def test_every_group_of_the_catalog_has_its_handlers(group: WorkerGroup) -> None:
    """Just those of the catalog."""
    found = load_handlers("workers.handlers", group)
    assert set(found) == {payload.event_type for payload in (*group.handles, *group.tasks)}


def test_no_module() -> None:
    """The module that a group needs is named."""
    with pytest.raises(HandlerMissing, match=r"workers\.handlers\.no_such"):
        load_handlers("workers.handlers", WorkerGroup("no-such", handles=[UserSignedUp]))


@pytest.mark.parametrize(
    ("handled", "said"),
    [
        ([], r"missing \['user.signed_up'\]"),
        ([UserSignedUp, AccountCreated], r"not in the catalog \['account.created'\]"),
    ],
)
def test_missing_and_surplus(handled: list[type], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing, and what the catalog does not have, is named."""
    module = types.ModuleType("made_up.shop")
    for payload in handled:

        def function(_event: object, _work: object) -> None:
            """Nothing."""

        function.__module__ = "made_up.shop"
        setattr(module, payload.__name__, Handler(payload, function))
    monkeypatch.setitem(sys.modules, "made_up.shop", module)
    with pytest.raises(HandlerMissing, match=said):
        load_handlers("made_up", WorkerGroup("shop", handles=[UserSignedUp]))


def test_a_handler_is_still_a_function() -> None:
    """Decorated, it can be called as before, for tests of the business itself."""
    calls: list[object] = []

    @handles(UserSignedUp)
    def note(event: UserSignedUp, work: object) -> None:
        """Note it."""
        calls.append((event, work))

    event = UserSignedUp(user_id="1")
    note(event, "work")  # type: ignore[arg-type]
    assert calls == [(event, "work")]
    assert note.__doc__ == "Note it."


def made(needs: Level | None = None) -> Handler[UserSignedUp]:
    """A handler that needs a level; None: it says nothing."""
    more = {} if needs is None else {"needs": needs}

    @handles(UserSignedUp, **more)  # type: ignore[arg-type]
    def note(_event: UserSignedUp, _work: object) -> None:
        """Nothing."""

    return note


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("needs", Level)
def test_a_level_that_is_too_low_is_refused(level: Level, needs: Level) -> None:
    """The handler and both levels are named."""
    if level >= needs:
        require_level([made(needs)], level)
        return
    said = rf"got {level.name}: note \(user\.signed_up\) needs {needs.name}"
    with pytest.raises(StoreTooWeak, match=said):
        require_level([made(Level.BEST_EFFORT), made(needs)], level)


def test_a_handler_that_says_nothing_needs_the_highest_level() -> None:
    """The default is safe, and external calls are not repeated."""
    assert made().needs is Level.TRANSACTIONAL
    assert not made().external_may_repeat


def test_a_batch_handler_takes_a_list_of_one_where_there_is_one() -> None:
    """In a pool, or by itself after a failure."""
    calls: list[tuple[Sequence[UserSignedUp], object]] = []

    @handles_batch(UserSignedUp)
    def count(events: Sequence[UserSignedUp], work: UnitOfWork) -> None:
        """Count them."""
        calls.append((events, work))

    event, work = UserSignedUp(user_id="1"), Mock()
    count(event, work)
    count.together([event, event], work)
    assert calls == [([event], work), ([event, event], work)]
    assert (count.__name__, count.__doc__, count.group) == ("count", "Count them.", "test-handling")
