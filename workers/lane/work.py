"""The unit of work of an event in a batch: its claim is committed with its effects, not before its handler runs."""

from collections.abc import Callable
from typing import Any

from workers.external import Reconciled
from workers.work import UnitOfWork


class NotInBatch(Exception):
    """The handler asked for what only an event with a claim of its own can have."""


class BatchedWork(UnitOfWork):
    """A unit of work that says no to what needs a claim first; its event then runs by itself, from the beginning."""

    #: whether the handler asked; it may have swallowed the answer
    asked = False

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

    def _not_here(self) -> NotInBatch:
        self.asked = True
        return NotInBatch("this event runs by itself")
