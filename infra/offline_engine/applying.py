"""Carries a plan out, each step after what it depends on, several at once."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from infra.offline_engine.errors import ServerProblem
from infra.offline_engine.kind import Standing
from infra.offline_engine.kinds import POLICY, QUEUE, label
from infra.offline_engine.management import CONNECTIONS
from infra.offline_engine.place import Place
from infra.offline_engine.planning import Plan, Step
from infra.offline_engine.resources import Resource, levels

Progress = Callable[[str], None]


@dataclass(kw_only=True)
class Outcome:
    """What was done, what failed and why, and how many were left alone because of that."""

    created: list[Resource] = field(default_factory=list)
    updated: list[Resource] = field(default_factory=list)
    deleted: list[Resource] = field(default_factory=list)
    kept: list[Resource] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    skipped: int = 0


@dataclass(frozen=True, kw_only=True)
class Applying:
    """One run over a plan; runs may share what was not applied, so that no dependent is, and what kept ones need."""

    place: Place
    plan: Plan
    progress: Progress
    delete_messages: bool
    outcome: Outcome = field(default_factory=Outcome)
    stuck: set[str] = field(default_factory=set)
    needed: set[str] = field(default_factory=set)

    def write(self) -> None:
        """Create and put right; raises ServerProblem if the server goes away."""
        by_urn = {step.resource.urn: step for step in self.plan.steps}
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="apply") as executor:
            for level in levels(tuple(step.resource for step in self.plan.steps)):
                steps = sorted(self._due(by_urn[resource.urn] for resource in level), key=_after_policies)
                for step, problem in zip(steps, executor.map(self._write, steps), strict=True):
                    self._note(step, problem)

    def remove(self) -> None:
        """Remove what is to go; raises ServerProblem if the server goes away."""
        for resource in self.plan.removals:
            self._remove(resource)

    def _due(self, level: Iterable[Step]) -> Iterator[Step]:
        for step in level:
            resource = step.resource
            if step.standing is Standing.FIXED:
                self.stuck.add(resource.urn)
                self.outcome.problems[label(resource)] = step.reason or fixed_message(resource)
            elif self.stuck.intersection(resource.dependencies):
                self.stuck.add(resource.urn)
                self.outcome.skipped += step.standing is not Standing.RIGHT
            elif step.standing is not Standing.RIGHT:
                yield step

    def _write(self, step: Step) -> str | None:
        try:
            self.place.write(step.resource)
        except ServerProblem as error:
            if error.__cause__ is not None:  # the server is gone: nothing else can succeed
                raise
            return str(error)
        return None

    def _note(self, step: Step, problem: str | None) -> None:
        called = label(step.resource)
        if problem is not None:
            self.stuck.add(step.resource.urn)
            self.outcome.problems[called] = problem
        else:
            done = self.outcome.created if step.standing is Standing.ABSENT else self.outcome.updated
            done.append(step.resource)
            self.progress(f"{'created' if step.standing is Standing.ABSENT else 'put right'} {called}")

    def _remove(self, resource: Resource) -> None:
        called = label(resource)
        if resource.urn in self.needed:
            self._keep(resource)
            self.progress(f"kept {called}, for something that is left needs it")
            return
        # Looked at again, now that nothing flows in any more.
        held = {} if self.delete_messages else self.place.held([resource])
        if held:
            self.outcome.kept.append(resource)
            self.outcome.problems[called] = f"left the program but holds {sum(held.values())} messages"
            return
        try:
            self.place.remove(resource)
        except ServerProblem as error:
            if error.__cause__ is not None:  # as above
                raise
            self._keep(resource)
            self.outcome.problems[called] = str(error)
            return
        self.outcome.deleted.append(resource)
        self.progress(f"deleted {called}")

    def _keep(self, resource: Resource) -> None:
        """It goes on to be ours, and what it depends on goes on to be there."""
        self.needed.update(resource.dependencies)
        self.outcome.kept.append(resource)


def _after_policies(step: Step) -> bool:
    """With each policy RabbitMQ goes through all queues and exchanges of the vhost, so there should be few of them yet.

    Of 200 groups, the policies alone took half of an `up`, and four times as long as those of 100.
    """
    return step.resource.type != POLICY


def fixed_message(resource: Resource) -> str:
    """Why a resource cannot be put right, and what to do."""
    remedy = "delete it by hand and run up again"
    if resource.type == QUEUE:
        remedy = "take its messages out (its workers stopped, nothing is lost by that), delete it, run up again"
    return f"exists with another type or other arguments, which can never be changed; {remedy}"
