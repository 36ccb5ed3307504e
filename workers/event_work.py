"""What a handler talks through, whatever its inbox: the event in hand, what it publishes, its calls outside."""

import hashlib
import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from millrace import names
from millrace.declarations import Catalog, Payload
from millrace.envelope import Envelope
from millrace.errors import Permanent
from millrace.publishing.checked import checked_envelope
from millrace.publishing.message import Message, event_message

from workers.external import Reconciled, call_once
from workers.stores.level import Level, LevelTooLow
from workers.stores.store import InboxStore
from workers.verdicts import Claim

#: Ids of what a handler publishes are made from its own event's: the same work gives the same ids.
_NAMESPACE = uuid.UUID("6f5b7c1e-6b0e-5e0a-9a57-0d5bb5a1c0de")


class EventWork:
    """The work of one event, claimed in `store`: what a handler that needs no more than FENCED asks for.

    `repeatable` lets calls outside be made even though the store may forget them.
    """

    def __init__(self, catalog: Catalog, held: Claim, store: InboxStore, *, repeatable: bool = False) -> None:
        self._catalog = catalog
        self._held = held
        self._store = store
        self._repeatable = repeatable
        self.messages: list[tuple[Message, Envelope]] = []

    @property
    def event(self) -> Envelope:
        """The envelope of the event in hand, of the first if there are several."""
        return self._held.request.envelope

    @property
    def events(self) -> Sequence[Envelope]:
        """The envelopes of all events in hand; more than one only where a handler takes them together."""
        return [self.event]

    @property
    def attempt(self) -> int:
        """The number of this attempt; 1 is the first."""
        return self._held.attempt

    @property
    def fence(self) -> int:
        """A number that rises with every claim of the event, for a resource that refuses a lower one than it saw."""
        return self._held.fence

    @property
    def key(self) -> str:
        """A stable name for this event in this group: 32 hexadecimal digits, the same at every attempt."""
        whole = json.dumps([self._held.request.group, self.event.source, self.event.id])
        return hashlib.sha256(whole.encode()).hexdigest()[:32]

    def publish(self, event: Payload, *, partition_key: str | None = None) -> str:
        """Publish an event, or one of the group's own tasks, if and when this event's transaction commits.

        Events of one partition key come to the broker in the order of the commits; another transaction that publishes
        with the key waits for this one's end.
        With an inbox outside the database that is just before the outcome is recorded: it may be published twice, with
        the same id. Returns its id, which is the same at every attempt. Raises InvalidEvent if it is not valid.
        """
        group = self._held.request.group
        text = json.dumps([self.key, len(self.messages), event.event_type])
        id_ = str(uuid.uuid5(_NAMESPACE, text))
        owner = self._catalog.task_owner(event.event_type)
        if owner is not None and owner.name != group:
            raise Permanent(f"{event.event_type} is a task of {owner.name}, {group} cannot send it")
        envelope = checked_envelope(
            event,
            self._catalog,
            source=f"/{group}",
            id=id_,
            partition_key=partition_key,
            traceparent=self.event.traceparent,
        )
        message = event_message(envelope) if owner is None else task_message(envelope, group)
        self.messages.append((message, envelope))
        return id_

    def external(
        self,
        name: str,
        call: Callable[[str], Any],
        *,
        reconcile: Callable[[str], Reconciled] | None = None,
    ) -> Any:
        """Make a call that has an effect outside the database, at most once as far as can be known.

        The intent is recorded, `call(provider_key)` made, its (JSON) result recorded and returned; a later attempt
        gets the recorded result. An intent without outcome is settled by `reconcile(provider_key)`; without it, or if
        it says UNKNOWN, the event becomes a dead letter ("outcome unknown"), never a blind repeat. A call that raises
        NotDone had no effect and may be made again. Raises LevelTooLow if the store may forget what it was told.
        """
        if self._store.level < Level.FENCED and not self._repeatable:
            raise LevelTooLow(
                f"{name}: a {self._store.level.name} store may forget that the call was made; use a FENCED or "
                f"TRANSACTIONAL one, or declare the handler with external_may_repeat=True"
            )
        return call_once(self._store, self._held, name, self.key, call, reconcile)

    @property
    def publishes(self) -> bool:
        """Whether anything was published."""
        return bool(self.messages)


def task_message(envelope: Envelope, group: str) -> Message:
    """The message that carries one of a group's own tasks to that group only."""
    return Message(
        exchange=names.GROUPS, routing_key=names.group_key(group), body=envelope.to_bytes(), message_id=envelope.id
    )
