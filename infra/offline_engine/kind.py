"""What the engine must know of a resource type."""

from enum import Enum
from typing import Protocol

from infra.offline_engine.live import Key, Live
from infra.offline_engine.management import Management
from infra.offline_engine.resources import Inputs


class Standing(Enum):
    """How a declared resource compares with the broker."""

    ABSENT = "absent"
    RIGHT = "right"
    #: It differs and writing it again puts it right.
    WRONG = "wrong"
    #: It differs in what can never be changed.
    FIXED = "fixed"


class Kind(Protocol):
    """One resource type: how it is told apart, compared, written and removed."""

    #: What people call it.
    word: str
    #: The inputs it knows; nested ones with a dot.
    accepts: frozenset[str]

    def key(self, inputs: Inputs) -> Key:
        """What tells it apart from others of its type at the broker."""

    def standing(self, inputs: Inputs, live: Live) -> Standing:
        """How it stands at the broker."""

    def write(self, inputs: Inputs, api: Management) -> None:
        """Create it or put it right; raises BrokerProblem."""

    def remove(self, inputs: Inputs, api: Management) -> None:
        """Remove it, content with its absence; raises BrokerProblem."""
