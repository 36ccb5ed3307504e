"""The two servers that a stack lies at, each with what is declared, what was made before and what is to be done."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from infra.offline_engine.applying import Applying, Outcome, Progress
from infra.offline_engine.aws.place import AwsPlace
from infra.offline_engine.changes import Changes
from infra.offline_engine.errors import QueueHoldsMessages
from infra.offline_engine.kinds import is_aws
from infra.offline_engine.live import Live
from infra.offline_engine.place import BrokerPlace, Place
from infra.offline_engine.planning import Plan, left_over, plan
from infra.offline_engine.resources import Resource
from infra.offline_engine.state import State

HELD = "let workers finish them, put the group back into the catalog, or say that they may be deleted"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two."""

    place: Place
    declared: tuple[Resource, ...]
    work: Plan
    #: What the state has and the program no longer declares, dependents first.
    left: tuple[Resource, ...]

    def apply(self, progress: Progress, *, delete_messages: bool) -> Outcome:
        """Do what is to be done; raises ServerProblem if the server goes away."""
        return Applying(place=self.place, plan=self.work, progress=progress, delete_messages=delete_messages).run()

    def require_no_messages(self) -> None:
        """Raise QueueHoldsMessages if something that is to be removed holds any."""
        held = self.place.held(self.work.removals)
        if held:
            raise QueueHoldsMessages(held, HELD)


def broker_side(place: BrokerPlace, declared: tuple[Resource, ...], before: State, live: Live) -> Side:
    """RabbitMQ's: a plan from what it has now."""
    mine, made = at_broker(declared), replace(before, resources=at_broker(before.resources))
    return Side(place=place, declared=mine, work=plan(mine, made, live), left=left_over(mine, made))


def aws_side(place: AwsPlace, declared: tuple[Resource, ...], before: State) -> Side:
    """AWS's; raises AwsProblem."""
    mine, made = at_aws(declared), replace(before, resources=at_aws(before.resources))
    return Side(place=place, declared=mine, work=place.plan(mine, made), left=left_over(mine, made))


def at_broker(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Those that lie at the broker, and passwords."""
    return tuple(one for one in resources if not is_aws(one))


def at_aws(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Those that lie at AWS."""
    return tuple(one for one in resources if is_aws(one))


def merged(outcomes: Iterable[Outcome]) -> Outcome:
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


def planned(sides: Iterable[Side], away: int) -> Changes:
    """What applying all of it changes."""
    each = [side.work.changes() for side in sides]
    return Changes(
        created=tuple(name for one in each for name in one.created),
        updated=tuple(name for one in each for name in one.updated),
        deleted=tuple(name for one in each for name in one.deleted),
        unchanged=sum(one.unchanged for one in each),
        away=away,
    )
