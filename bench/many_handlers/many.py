"""Group many: a handler for each event type."""

from typing import Any

from bench.many import CATALOG
from workers.handling import handles
from workers.work import UnitOfWork


def _look(_event: Any, _work: UnitOfWork) -> None:
    """Do nothing."""


globals().update({payload.__name__: handles(payload)(_look) for payload in CATALOG.groups[0].handles})
