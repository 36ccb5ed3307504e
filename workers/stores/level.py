"""What a store of the inbox promises, and what a handler needs: the higher, the more."""

from enum import IntEnum

from millrace.errors import Permanent


class Level(IntEnum):
    """How much a store promises; see docs/decisions/0407."""

    #: duplicates are absorbed while the store still has the key: a failover or an eviction may lose it
    BEST_EFFORT = 1
    #: the key is kept, one holder at a time, a stale one can record nothing; effects lie elsewhere
    FENCED = 2
    #: effects, outcome and outbox commit together, or not at all
    TRANSACTIONAL = 3


class LevelTooLow(Permanent):
    """A handler asked for what the store of its inbox cannot do."""
