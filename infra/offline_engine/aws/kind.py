"""What the engine must know of a resource type at AWS."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from infra.offline_engine.aws.clients import Clients
from infra.offline_engine.kind import Standing
from infra.offline_engine.live import Key, Record
from infra.offline_engine.resources import Inputs


class AwsKind(ABC):
    """One resource type: how it is told apart, compared, written and removed; its methods raise what boto3 does."""

    #: What people call it.
    word: ClassVar[str]
    #: The inputs it knows; nested ones with a dot.
    accepts: ClassVar[frozenset[str]]
    #: Parts of `wanted` that can never be changed.
    fixed: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def key(self, inputs: Inputs) -> Key:
        """What tells it apart from others of its type in the account."""

    @abstractmethod
    def wanted(self, inputs: Inputs) -> Record:
        """What is declared, in the words of `actual`."""

    @abstractmethod
    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        """What is there, None if nothing is."""

    @abstractmethod
    def write(self, inputs: Inputs, aws: Clients) -> None:
        """Create it or put it right."""

    @abstractmethod
    def remove(self, inputs: Inputs, aws: Clients) -> None:
        """Remove it, content with its absence."""

    def standing(self, inputs: Inputs, aws: Clients) -> Standing:
        """How it stands in the account."""
        actual = self.actual(inputs, aws)
        if actual is None:
            return Standing.ABSENT
        differing = {name for name, value in self.wanted(inputs).items() if actual.get(name) != value}
        if differing & self.fixed:
            return Standing.FIXED
        return Standing.WRONG if differing else Standing.RIGHT

    def held(self, inputs: Inputs, aws: Clients) -> int:
        """How many messages or items its removal would lose."""
        del inputs, aws
        return 0


def parsed(text: str | Mapping[str, Any] | None) -> Any:
    """A policy as data: services give it back with other spaces, and boto3 sometimes as data already."""
    if not text:
        return None
    return json.loads(text) if isinstance(text, str) else text
