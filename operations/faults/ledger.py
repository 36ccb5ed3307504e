"""What the producer knows: each event that it meant to publish, and whether the broker confirmed it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Event ids by type; safe in threads."""

    meant: dict[str, str] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)
    invalid: set[bytes] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def mean(self, events: Mapping[str, str]) -> None:
        """Note events that are about to be published: id to type."""
        with self._lock:
            self.meant.update(events)

    def accept(self, ids: list[str]) -> None:
        """Note that the broker has confirmed events: from here on, losing one is the worst bug."""
        with self._lock:
            self.accepted.update({id_: self.meant[id_] for id_ in ids})

    def copy(self) -> "Ledger":
        """The ledger as it is now, for somebody who reads it while the load goes on."""
        with self._lock:
            return Ledger(meant=dict(self.meant), accepted=dict(self.accepted), invalid=set(self.invalid))

    def unconfirmed(self) -> set[str]:
        """What was meant and never confirmed: whoever had to publish it has not got going again."""
        with self._lock:
            return self.meant.keys() - self.accepted.keys()

    def meant_of(self, type_: str) -> set[str]:
        """The events of a type, confirmed or not."""
        with self._lock:
            return {id_ for id_, its in self.meant.items() if its == type_}

    def accepted_of(self, type_: str) -> set[str]:
        """The confirmed events of a type."""
        with self._lock:
            return {id_ for id_, its in self.accepted.items() if its == type_}
