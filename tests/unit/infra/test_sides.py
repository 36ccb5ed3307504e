"""All servers of a run: who is written to first, who is removed from first, and what is left alone."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from infra.offline_engine.changes import Changes
from infra.offline_engine.errors import KubernetesProblem
from infra.offline_engine.kind import Standing
from infra.offline_engine.kubernetes.api import Api
from infra.offline_engine.kubernetes.manifests import Manifest
from infra.offline_engine.kubernetes.place import KubernetesPlace
from infra.offline_engine.planning import Plan, Step
from infra.offline_engine.resources import Resource
from infra.offline_engine.sides import Side, Where, apply, planned, where_is


def resource(type_: str, name: str, *after: str) -> Resource:
    inputs = {"name": name, "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "n"}}
    return Resource(urn=name, type=type_, name=name, inputs=inputs, dependencies=after)


QUEUE, TABLE, DEPLOYMENT = (
    "rabbitmq:index/exchange:Exchange",
    "aws:dynamodb/table:Table",
    "kubernetes:apps/v1:Deployment",
)


class Place:
    """Notes what is done to it; refuses what it is told to."""

    def __init__(self, done: list[str], refused: frozenset[str] = frozenset()) -> None:
        self.done = done
        self.refused = refused

    def write(self, resource: Resource) -> None:
        if resource.name in self.refused:
            raise KubernetesProblem("refused")
        self.done.append(f"write {resource.name}")

    def remove(self, resource: Resource) -> None:
        if resource.name in self.refused:
            raise KubernetesProblem("must be gone within 180 s")
        self.done.append(f"remove {resource.name}")

    def held(self, resources: Iterable[Resource]) -> dict[str, int]:
        del resources
        return {}


def side(place: Place, *steps: Step, removals: tuple[Resource, ...] = ()) -> Side:
    declared = tuple(step.resource for step in steps)
    return Side(place=place, declared=declared, work=Plan(steps=steps, removals=removals), left=removals)


def absent(one: Resource) -> Step:
    return Step(resource=one, standing=Standing.ABSENT)


def ignore(_line: str) -> None:
    pass


def test_workers_come_after_their_queue_and_go_before_it() -> None:
    done: list[str] = []
    sides = [
        side(Place(done), absent(resource(QUEUE, "new")), removals=(resource(QUEUE, "old"),)),
        side(Place(done), absent(resource(DEPLOYMENT, "new-worker")), removals=(resource(DEPLOYMENT, "old-worker"),)),
    ]
    apply(sides, ignore, delete_messages=True)
    assert done == ["write new", "write new-worker", "remove old-worker", "remove old"]


def test_what_depends_on_a_failure_at_another_server_is_left_alone() -> None:
    done: list[str] = []
    sides = [
        side(Place(done, frozenset({"bad"})), absent(resource(QUEUE, "bad")), absent(resource(QUEUE, "good"))),
        side(Place(done), absent(resource(DEPLOYMENT, "stuck", "bad")), absent(resource(DEPLOYMENT, "works", "good"))),
    ]
    outcome = apply(sides, ignore, delete_messages=True)
    assert done == ["write good", "write works"]
    assert (outcome.problems, outcome.skipped) == ({"exchange bad": "refused"}, 1)


def test_what_does_not_go_is_kept_with_all_that_it_needs_and_the_others_go() -> None:
    """A worker that still drains has its queue."""
    done: list[str] = []
    worker, other = resource(DEPLOYMENT, "worker", "policy", "queue"), resource(DEPLOYMENT, "other")
    policy, queue, idle = resource(DEPLOYMENT, "policy"), resource(QUEUE, "queue"), resource(QUEUE, "idle")
    sides = [
        side(Place(done), removals=(queue, idle)),
        side(Place(done, frozenset({"worker"})), removals=(worker, policy, other)),
    ]
    outcome = apply(sides, ignore, delete_messages=True)
    assert done == ["remove other", "remove idle"]
    assert outcome.problems == {"Deployment n/worker": "must be gone within 180 s"}
    assert {one.name for one in outcome.kept} == {"worker", "policy", "queue"}


def test_a_server_that_goes_away_while_it_removes_ends_the_run() -> None:
    class Gone(Place):
        def remove(self, resource: Resource) -> None:
            del resource
            raise KubernetesProblem("does not answer") from OSError()

    with pytest.raises(KubernetesProblem, match="does not answer"):
        apply([side(Gone([]), removals=(resource(DEPLOYMENT, "d"),))], ignore, delete_messages=True)


def test_a_reason_is_told_as_the_place_gives_it() -> None:
    step = Step(resource=resource(DEPLOYMENT, "d"), standing=Standing.FIXED, reason="somebody's own")
    assert apply([side(Place([]), step)], ignore, delete_messages=True).problems == {"Deployment n/d": "somebody's own"}


def test_each_resource_lies_at_one_server_and_who_is_away_is_told() -> None:
    everywhere = [resource(QUEUE, "q"), resource(TABLE, "t"), resource(DEPLOYMENT, "d")]
    assert [where_is(one) for one in everywhere] == [Where.BROKER, Where.AWS, Where.KUBERNETES]
    assert "1 left alone (AWS is away)" in str(planned((), everywhere[1:2]))
    assert "2 left alone (AWS and Kubernetes are away)" in str(planned((), everywhere[1:]))
    assert "away" not in str(Changes())


class Server(Api):
    """Has one object, and knows what applying would make of it."""

    def __init__(self, live: Manifest | None, *, would_be: Manifest | None = None, refuses: int = 0) -> None:
        self._live, self._would_be, self._refuses = live, would_be or live, refuses
        self.forced: list[bool] = []
        self.manager = "millrace-one"

    def uid(self) -> str:
        return "here"

    def read(self, one: Manifest) -> Manifest | None:
        del one
        return self._live

    def apply(self, one: Manifest, *, force: bool, dry_run: bool = False) -> Manifest:
        if self._refuses:
            raise KubernetesProblem(f"{self._refuses} field is immutable", self._refuses)
        if not dry_run:
            self.forced.append(force)
        return self._would_be or one


def live(manager: str = "millrace-one", kind: str = "Deployment", **more: object) -> Manifest:
    metadata = {"name": "d", "resourceVersion": "1", "managedFields": [{"manager": manager}]}
    return {"kind": kind, "metadata": metadata, "spec": {"a": 1}} | more


def job(**conditions: str) -> Manifest:
    found = [{"type": type_, "status": status} for type_, status in conditions.items()]
    return live(kind="Job", status={"conditions": found})


@pytest.mark.parametrize(
    ("server", "standing", "reason"),
    [
        (Server(None), Standing.ABSENT, ""),
        (Server(live() | {"metadata": live()["metadata"] | {"deletionTimestamp": "now"}}), Standing.ABSENT, ""),
        (Server(live()), Standing.RIGHT, ""),
        (Server(live(), would_be=live(status={"seen": 1})), Standing.RIGHT, ""),
        (Server(live(), would_be=live(spec={"a": 2})), Standing.WRONG, ""),
        (Server(live("kubectl-create")), Standing.FIXED, "was not made by this stack, but by kubectl-create"),
        (Server(live("millrace-two")), Standing.FIXED, "was not made by this stack, but by millrace-two"),
        (
            Server(live(), refuses=422),
            Standing.FIXED,
            "cannot be changed to what is declared: 422",
        ),
        (Server(job(Complete="True")), Standing.RIGHT, ""),
        (Server(job(Complete="False")), Standing.WRONG, ""),
        (Server(job(Failed="True")), Standing.FIXED, "the Job failed"),
    ],
)
def test_how_an_object_stands(server: Server, standing: Standing, reason: str) -> None:
    step = KubernetesPlace(server).step(resource(DEPLOYMENT, "d"))
    assert step.standing is standing
    assert reason in step.reason
    assert bool(reason) == bool(step.reason)


@pytest.mark.parametrize("status", [403, 409, 500, 503])
def test_what_time_or_a_permission_puts_right_is_no_reason_to_delete_anything(status: int) -> None:
    with pytest.raises(KubernetesProblem, match=f"^{status} "):
        KubernetesPlace(Server(live(), refuses=status)).step(resource(DEPLOYMENT, "d"))


def test_force_is_for_what_is_ours() -> None:
    for manager, adopt, force in (
        ("millrace-one", False, True),
        ("millrace-two", False, False),
        ("other", False, False),
        ("other", True, True),
    ):
        server = Server(live(manager))
        KubernetesPlace(server, adopt=adopt).write(resource(DEPLOYMENT, "d"))
        assert server.forced == [force]
    fresh = Server(None)
    KubernetesPlace(fresh).write(resource(DEPLOYMENT, "d"))
    assert fresh.forced == [False]


def test_what_is_not_ours_is_not_there_to_be_removed() -> None:
    there = [
        KubernetesPlace(Server(one)).is_there(resource(DEPLOYMENT, "d"))
        for one in (live(), live("x"), live("millrace-two"), None)
    ]
    assert there == [True, False, False, False]
