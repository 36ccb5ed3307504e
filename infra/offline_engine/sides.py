"""The servers that a stack lies at, each with what is declared, what was made before and what is to be done."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from infra.offline_engine.applying import Applying, Outcome, Progress
from infra.offline_engine.asking import AskedPlace
from infra.offline_engine.aws.kinds import AWS
from infra.offline_engine.changes import Changes
from infra.offline_engine.errors import QueueHoldsMessages
from infra.offline_engine.kubernetes.manifests import KUBERNETES
from infra.offline_engine.live import Live
from infra.offline_engine.place import BrokerPlace, Place
from infra.offline_engine.planning import Plan, left_over, plan
from infra.offline_engine.resources import Resource
from infra.offline_engine.state import State

HELD = "let workers finish them, put the group back into the catalog, or say that they may be deleted"


class Where(Enum):
    """The servers, in the order in which they are written to; what goes, goes in the reverse order."""

    BROKER = "RabbitMQ"
    AWS = "AWS"
    KUBERNETES = "Kubernetes"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of them."""

    place: Place
    declared: tuple[Resource, ...]
    work: Plan
    #: What the state has and the program no longer declares, dependents first.
    left: tuple[Resource, ...]

    def require_no_messages(self) -> None:
        """Raise QueueHoldsMessages if something that is to be removed holds any."""
        held = self.place.held(self.work.removals)
        if held:
            raise QueueHoldsMessages(held, HELD)


def apply(sides: Iterable[Side], progress: Progress, *, delete_messages: bool) -> Outcome:
    """Do what is to be done at all of them; raises ServerProblem if a server goes away."""
    stuck, needed = set[str](), set[str]()
    runs = [
        Applying(
            place=side.place,
            plan=side.work,
            progress=progress,
            delete_messages=delete_messages,
            stuck=stuck,
            needed=needed,
        )
        for side in sides
    ]
    for run in runs:
        run.write()
    for run in reversed(runs):
        run.remove()
    return _merged(run.outcome for run in runs)


def broker_side(place: BrokerPlace, declared: tuple[Resource, ...], before: State, live: Live) -> Side:
    """RabbitMQ's: a plan from what it has now."""
    mine, made = at(Where.BROKER, declared), made_at(Where.BROKER, before)
    return Side(place=place, declared=mine, work=plan(mine, made, live), left=left_over(mine, made))


def asked_side(place: AskedPlace, where: Where, declared: tuple[Resource, ...], before: State) -> Side:
    """That of a server which is asked for each resource; raises ServerProblem."""
    mine, made = at(where, declared), made_at(where, before)
    return Side(place=place, declared=mine, work=place.plan(mine, made), left=left_over(mine, made))


def where_is(resource: Resource) -> Where:
    """Where it lies; passwords are with the broker."""
    if resource.type.startswith(AWS):
        return Where.AWS
    return Where.KUBERNETES if resource.type.startswith(KUBERNETES) else Where.BROKER


def at(where: Where, resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Those that lie there."""
    return tuple(one for one in resources if where_is(one) is where)


def made_at(where: Where, state: State) -> State:
    """The part of the state that lies there."""
    return replace(state, resources=at(where, state.resources))


def _merged(outcomes: Iterable[Outcome]) -> Outcome:
    """What was done at all of them."""
    whole = Outcome()
    for one in outcomes:
        whole.created += one.created
        whole.updated += one.updated
        whole.deleted += one.deleted
        whole.kept += one.kept
        whole.problems |= one.problems
        whole.skipped += one.skipped
    return whole


def planned(sides: Iterable[Side], away: Iterable[Resource]) -> Changes:
    """What applying all of it changes; `away` is what lies at servers that are not there."""
    each, left_alone = [side.work.changes() for side in sides], tuple(away)
    return Changes(
        created=tuple(name for one in each for name in one.created),
        updated=tuple(name for one in each for name in one.updated),
        deleted=tuple(name for one in each for name in one.deleted),
        unchanged=sum(one.unchanged for one in each),
        away=len(left_alone),
        away_at=tuple(where.value for where in Where if at(where, left_alone)),
    )
