"""What needs a person now, and what to do about it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from millrace import aws_names, names
from millrace.declarations import Catalog
from millrace.errors import UnknownEventType

from operations.aws_place import SWITCHED_OFF
from operations.status import Situation

#: The relay publishes within a second; a longer wait means that it does not run or cannot publish.
RELAY_LAG_SECONDS = 10.0
#: An event that the broker has refused so often, in some seconds, is not let in by waiting alone.
REFUSED_ATTEMPTS = 3
#: With so many messages the keeper is not keeping up, even if it moves some.
TRANSIT_MESSAGES = 100
#: So many waiting events that also become more are a group that does not keep up.
WAITING_MESSAGES = 1_000
#: Whatever the growth, this many is worth a look.
MANY_WAITING = 50_000
RESTARTS = 3
#: The retention makes a round every ten minutes.
RETENTION_SECONDS = 86_400.0
#: These may be so for a moment, or be seconds old in what the broker tells: they count if they last.
PASSING = frozenset({"no consumer", "no keeper", "keeper stuck"})


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing that needs a person: what it concerns, what is the matter, what to do."""

    kind: str
    concerns: str
    what: str
    todo: str

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def alerts(situation: Situation, catalog: Catalog) -> list[Alert]:
    """Everything that needs a person, most pressing first."""
    return [
        *_without_consumer(situation, catalog),
        *_processes(situation),
        *_trouble(situation),
        *_dead_letters(situation, catalog),
        *_waiting(situation, catalog),
        *_stopped_keys(situation),
        *_relay(situation),
        *_parked(situation, catalog),
        *_rejected(situation),
        *_keeper(situation, catalog),
        *_retention(situation),
        *_aws(situation, catalog),
    ]


def _without_consumer(situation: Situation, catalog: Catalog) -> Iterator[Alert]:
    for group in catalog.groups:
        name = names.group_queue(group.name)
        queue = situation.queue(name)
        if name not in situation.queues:
            todo = "`millrace up` makes it; `millrace verify` shows what else is missing"
            yield Alert(kind="no queue", concerns=group.name, what="the group has no queue at the broker", todo=todo)
        elif not queue.consumers and (queue.messages or group.replicas[0] > 0):
            what = f"nobody consumes the queue, {queue.messages} events wait"
            todo = f"`millrace logs {group.name}` says why its worker is not there; `millrace up` starts it"
            number = situation.numbers.get(group.name)
            if number is not None and number.by_hand and number.number == 0:
                todo = f"its workers were stopped by hand: `millrace scale {group.name} auto` starts them"
            yield Alert(kind="no consumer", concerns=group.name, what=what, todo=todo)


def _processes(situation: Situation) -> Iterator[Alert]:
    for process in situation.processes or ():
        if process.state == "backing off" or process.restarts >= RESTARTS:
            what = f"restarted {process.restarts} times, now {process.state}"
            todo = f"`millrace logs {process.name}` says why it ended"
            yield Alert(kind="restarts", concerns=process.name, what=what, todo=todo)


def _dead_letters(situation: Situation, catalog: Catalog) -> Iterator[Alert]:
    open_letters = dict(situation.store.dead_letters)
    for group in (*catalog.groups, *catalog.functions):
        if on_the_way := situation.transit(names.dead_queue(group.name)):
            open_letters[group.name] = open_letters.get(group.name, 0) + on_the_way
    for name, count in sorted(open_letters.items()):
        todo = f"`millrace dead-letters list --group {name}`, then replay (once the cause is fixed) or discard them"
        yield Alert(kind="dead letters", concerns=name, what=f"{count} dead letters are open", todo=todo)


def _waiting(situation: Situation, catalog: Catalog) -> Iterator[Alert]:
    for group in catalog.groups:
        queue = situation.queue(names.group_queue(group.name))
        growing = queue.ready >= WAITING_MESSAGES and queue.growth > 0
        if queue.consumers and (growing or queue.ready >= MANY_WAITING):
            what = f"{queue.ready} events wait, {queue.growth:+.0f} a second"
            todo = f"give the group more replicas or a quicker handler; `millrace logs {group.name}` shows its pace"
            yield Alert(kind="waiting", concerns=group.name, what=what, todo=todo)


def _stopped_keys(situation: Situation) -> Iterator[Alert]:
    for stopped in situation.store.stopped_keys:
        if stopped.attempts >= REFUSED_ATTEMPTS:
            what = f"{stopped.waiting} events of the key wait for {stopped.event_id}, which was refused "
            what += f"{stopped.attempts} times: {stopped.error}"
            todo = "`millrace verify` shows what is wrong at the broker; the key goes on by itself within a minute"
            yield Alert(kind="stopped key", concerns=stopped.key, what=what, todo=todo)


def _relay(situation: Situation) -> Iterator[Alert]:
    store = situation.store
    if store.relay_lag > RELAY_LAG_SECONDS:
        what = f"{store.unpublished} events wait in the outbox, the oldest for {store.relay_lag:.0f} s"
        what += f"; the last error: {store.relay_error}" if store.relay_error else ""
        todo = "`millrace logs relay`; the events are safe and go out when it runs again"
        yield Alert(kind="relay lag", concerns="relay", what=what, todo=todo)


def _parked(situation: Situation, catalog: Catalog) -> Iterator[Alert]:
    for type_, count in sorted(situation.store.parked.items()):
        if not _may_wait(catalog, type_):
            todo = "add a group that handles the type, then `millrace parked release`; or declare it may_wait=True"
            yield Alert(kind="parked", concerns=type_, what=f"{count} events are taken by no group", todo=todo)


def _may_wait(catalog: Catalog, type_: str) -> bool:
    """Types with `may_wait` are parked on purpose."""
    try:
        return catalog.event(type_).may_wait
    except UnknownEventType:
        return False


def _rejected(situation: Situation) -> Iterator[Alert]:
    if count := situation.store.rejected:
        what = f"{count} messages were refused at a door"
        todo = "`millrace rejected list` says why; mend what sent them, then `millrace rejected discard`"
        yield Alert(kind="rejected", concerns=names.REJECTED, what=what, todo=todo)


def _trouble(situation: Situation) -> Iterator[Alert]:
    for name in situation.trouble:
        what = "it failed and has not run well since"
        yield Alert(kind="trouble", concerns=name, what=what, todo=f"`millrace logs {name}` says what fails")


def _keeper(situation: Situation, catalog: Catalog) -> Iterator[Alert]:
    todo = "`millrace logs keeper`; nothing is lost, the messages wait in their queue"
    if names.PARKED in situation.queues and not situation.queue(names.PARKED).consumers:
        yield Alert(kind="no keeper", concerns="keeper", what="nobody moves letters to the store", todo=todo)
    groups = (*catalog.groups, *catalog.functions)
    for name in [names.PARKED, names.REJECTED, *(names.dead_queue(group.name) for group in groups)]:
        if count := situation.transit(name):
            kind = "keeper lag" if count >= TRANSIT_MESSAGES else "keeper stuck"
            yield Alert(kind=kind, concerns=name, what=f"{count} messages are not moved to the store", todo=todo)


def _retention(situation: Situation) -> Iterator[Alert]:
    age = situation.store.retention_age
    if age is not None and age > RETENTION_SECONDS:
        what = f"no round of the retention has ended well for {age / 3600:.0f} hours, old rows stay"
        todo = "`millrace logs keeper` says why (service retention)"
        yield Alert(kind="retention", concerns="keeper", what=what, todo=todo)


def _aws(situation: Situation, catalog: Catalog) -> Iterator[Alert]:
    if situation.sqs is None:
        return
    outward = (names.OUTWARD, *(names.group_queue(function.name) for function in catalog.functions))
    if problem := situation.sqs.problem:
        waiting = sum(situation.queue(name).messages for name in outward)
        if waiting or problem != SWITCHED_OFF:
            todo = "`millrace logs localstack` on this machine; events by other doors are not concerned"
            yield Alert(kind="no AWS", concerns="aws", what=f"{problem}; {waiting} events wait to go there", todo=todo)
        return
    for name in outward:
        if name in situation.queues and not situation.queue(name).consumers:
            what = f"nobody sends to AWS, {situation.queue(name).messages} events wait"
            yield Alert(kind="no consumer", concerns=name, what=what, todo="`millrace logs egress` says why")
    for name, queue in situation.sqs.queues.items():
        dead = name.endswith(aws_names.dead_queue(""))
        if queue.ready >= (TRANSIT_MESSAGES if dead else MANY_WAITING):
            todo = (
                "`millrace logs ingress`" if dead else "`millrace logs ingress`, or the function's; give it more copies"
            )
            yield Alert(kind="waiting", concerns=name, what=f"{queue.ready} messages wait in SQS", todo=todo)
