"""The inbox as items of text fields, for stores that can change one item if some of its fields are as expected.

All that decides lies here; a store brings one conditional change, and how long an item still has to wait.
"""

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from workers.stores.level import Level
from workers.stores.store import DONE, INTENDED, Call, Outcome, StoreUnavailable
from workers.verdicts import RETRYING, RUNNING, Busy, Claim, Exhausted, Recorded, Request, Verdict, decide, overtaken

#: All values are text; None in a condition stands for a field that is not there.
Fields = Mapping[str, str]
Condition = Mapping[str, str | None]

#: How often a change is tried that others forestall; each time one of them has won.
_TRIES = 5


class Forgotten(StoreUnavailable):
    """The store has lost a claim: the event must come back, since no other delivery has it."""


class ItemStore(ABC):
    """Everything but the conditional change; `token` is the one delivery that holds the event."""

    level: ClassVar[Level]
    paced: ClassVar[bool]

    @abstractmethod
    def _change(self, key: str, where: Condition, put: Condition, *, seconds: float | None = None) -> Fields | None:
        """Put fields (None removes one) if all of `where` hold, in one step; else give the item as it is.

        With `seconds`, the item's next attempt is due after so many. A change that was made already, by an answer
        that was lost, counts as made. Raises StoreUnavailable.
        """

    @abstractmethod
    def _get(self, key: str) -> Fields:
        """The item as it is, for sure; empty if there is none. Raises StoreUnavailable."""

    @abstractmethod
    def _wait(self, item: Fields) -> float:
        """How many seconds the item's next attempt is off."""

    def claim(self, request: Request) -> Verdict:
        """Claim the event for one attempt, or say why not."""
        key = key_of(request)
        item = self._change(key, {"token": None}, _first(request), seconds=request.lease_seconds)
        if item is None:
            return Claim(request=request, attempt=1, fence=1)
        for _ in range(_TRIES):
            verdict = decide(self._recorded(item), request)
            held = verdict.held if isinstance(verdict, Exhausted) else verdict
            if not isinstance(held, Claim):
                return verdict
            seen = {name: item[name] for name in ("token", "state", "attempts")}
            item = self._change(key, seen, _taken(held, item), seconds=request.lease_seconds)
            if item is None:
                return verdict
        return Busy(1.0)

    def complete(self, held: Claim, outcome: Outcome) -> None:
        """Record the outcome."""
        self._settle(held, ended(outcome))

    def postpone(self, held: Claim, *, seconds: float, error: str) -> None:
        """Record a failed attempt, and when the next one is due."""
        self._settle(held, {"state": RETRYING, "error": error}, seconds=seconds)

    def exhaust(self, held: Claim, *, error: str) -> None:
        """Record that no attempt may follow this one."""
        self._settle(held, {"attempts": str(held.request.max_attempts), "error": error})

    def require_held(self, held: Claim) -> None:
        """Do nothing if the claim is still the latest."""
        item = self._get(key_of(held.request))
        if not _holds(held, item):
            raise refusal(held, item)

    def look(self, group: str, source: str, event_id: str) -> Recorded | None:
        """What is on record."""
        item = self._get(item_key(group, source, event_id))
        return self._recorded(item) if item else None

    def intend(self, held: Claim, name: str, provider_key: str) -> Call | None:
        """Record that a call is about to be made, unless one of this name is on record already."""
        field = _call_field(name)
        intent = json.dumps({"state": INTENDED, "key": provider_key, "call": uuid.uuid4().hex})
        item = self._change(key_of(held.request), {**mine(held), field: None}, {field: intent})
        if item is None:
            return None
        if not _holds(held, item):
            raise refusal(held, item)
        earlier = json.loads(item[field])
        return Call(state=earlier["state"], result=earlier.get("result"))

    def withdraw(self, held: Claim, name: str) -> None:
        """Take an intent back."""
        self._settle(held, {_call_field(name): None})

    def record_call(self, held: Claim, name: str, result: Any) -> None:
        """Record that a call was made, as long as the event is on record at all."""
        done = json.dumps({"state": DONE, "result": result})
        known = {"fingerprint": held.request.fingerprint}
        item = self._change(key_of(held.request), known, {_call_field(name): done})
        if item is not None:
            raise refusal(held, item)

    def _settle(self, held: Claim, put: Condition, *, seconds: float | None = None) -> None:
        item = self._change(key_of(held.request), mine(held), put, seconds=seconds)
        if item is not None:
            raise refusal(held, item)

    def _recorded(self, item: Fields) -> Recorded:
        if "token" not in item:
            raise Forgotten("the event's item has gone while it was looked at")
        return Recorded(
            state=item["state"],
            fingerprint=item["fingerprint"],
            attempts=int(item["attempts"]),
            generation=int(item["generation"]),
            fence=int(item["fence"]),
            wait=self._wait(item),
            error=item.get("error") or None,
        )


def item_key(group: str, source: str, event_id: str) -> str:
    """The key of an event in a group."""
    return json.dumps([group, source, event_id], ensure_ascii=False)


def key_of(request: Request) -> str:
    """The key of the event that is asked for."""
    return item_key(request.group, request.envelope.source, request.envelope.id)


def ended(outcome: Outcome) -> dict[str, str]:
    """The fields of an outcome."""
    milliseconds = f"{outcome.milliseconds:.3f}"
    return {"state": outcome.state, "milliseconds": milliseconds, "error": outcome.error or ""}


def _call_field(name: str) -> str:
    return f"call:{name}"


def mine(held: Claim) -> dict[str, str]:
    """The fields that say that a claim is the latest and running."""
    return {"token": held.request.token, "fence": str(held.fence), "state": RUNNING}


def _holds(held: Claim, item: Fields) -> bool:
    return all(item.get(name) == value for name, value in mine(held).items())


def refusal(held: Claim, item: Fields) -> Exception:
    """Why a holder is refused: another has the event, or the store has forgotten the claim, and nobody has it."""
    if int(item.get("fence", 0)) < held.fence:
        return Forgotten(f"{held.request.envelope.id}: the store has lost the claim of attempt {held.attempt}")
    return overtaken(held)


def _first(request: Request) -> dict[str, str]:
    event = request.envelope
    more = {"traceparent": event.traceparent} if event.traceparent else {}
    return {
        "type": event.type,
        "fingerprint": request.fingerprint,
        "state": RUNNING,
        "attempts": "1",
        "generation": str(request.generation),
        "owner": request.owner,
        "token": request.token,
        "fence": "1",
        **more,
    }


def _taken(held: Claim, item: Fields) -> dict[str, str]:
    return {
        "state": RUNNING,
        "attempts": str(held.attempt),
        "generation": str(max(held.request.generation, int(item["generation"]))),
        "owner": held.request.owner,
        "token": held.request.token,
        "fence": str(held.fence),
    }
