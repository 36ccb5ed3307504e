"""The unit of work of events in a batch: their claims are committed with the effects, not before the handler runs."""

from collections.abc import Callable, Sequence
from typing import Any

from millrace.declarations import Catalog
from millrace.envelope import Envelope
from sqlalchemy import Engine

from workers.external import Reconciled
from workers.stores.store import InboxStore
from workers.verdicts import Claim
from workers.work import UnitOfWork


class NotInBatch(Exception):
    """The handler asked for what only an event with a claim of its own can have."""


class BatchedWork(UnitOfWork):
    """A unit of work that says no to what needs a claim first; its event then runs by itself, from the beginning."""

    def __init__(self, engine: Engine, catalog: Catalog, held: Sequence[Claim], store: InboxStore) -> None:
        super().__init__(engine, catalog, held[0], store)
        self._all = held
        self._asked = False

    @property
    def events(self) -> Sequence[Envelope]:
        """The envelopes of all events in hand."""
        return [held.request.envelope for held in self._all]

    @property
    def fence(self) -> int:
        """Always raises NotInBatch: two deliveries could show the same number."""
        raise self._not_here()

    def external(
        self,
        _name: str,
        _call: Callable[[str], Any],
        *,
        reconcile: Callable[[str], Reconciled] | None = None,  # noqa: ARG002 (as the real one)
    ) -> Any:
        """Always raises NotInBatch: the intent must be on record before the call, and the call made once."""
        raise self._not_here()

    def require_not_asked(self) -> None:
        """Raise NotInBatch if the handler asked; it may have swallowed the answer."""
        if self._asked:
            raise self._not_here()

    def _not_here(self) -> NotInBatch:
        self._asked = True
        return NotInBatch("this event runs by itself")
