"""The engine's four verbs: up, preview, destroy, outputs."""

from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from millrace import names
from millrace.catalog import CATALOG
from millrace.declarations import Catalog

from infra.__main__ import declare
from infra.offline_engine import state as stored
from infra.offline_engine.applying import Applying, Outcome, Progress
from infra.offline_engine.aws.target import AwsTarget
from infra.offline_engine.changes import Changes
from infra.offline_engine.errors import ForeignStack, NotAllApplied, NotApplied, QueueHoldsMessages
from infra.offline_engine.guarding import require_within_rules
from infra.offline_engine.kinds import USER, VHOST, label, require_known
from infra.offline_engine.kubernetes.target import KubernetesTarget
from infra.offline_engine.live import Live, read_live
from infra.offline_engine.management import Management
from infra.offline_engine.messages import holding, queues_of
from infra.offline_engine.place import BrokerPlace
from infra.offline_engine.planning import Plan, is_there, left_over, require_own
from infra.offline_engine.recording import RANDOM_PASSWORD, Recording, record
from infra.offline_engine.resources import Resource
from infra.offline_engine.servers import Servers, connected
from infra.offline_engine.settling import settle
from infra.offline_engine.sides import HELD, Side, Where, apply, at, made_at, planned
from infra.offline_engine.state import State
from infra.settings import Settings


class Outputs(TypedDict):
    """What the program exports."""

    vhost: str
    user_names: list[str]
    users: dict[str, str]


def up(
    stack: str,
    *,
    management_url: str,
    admin_user: str,
    admin_password: str,
    state_dir: Path,
    catalog: Catalog = CATALOG,
    aws: AwsTarget | None = None,
    kubernetes: KubernetesTarget | None = None,
    on_progress: Progress | None = None,
    delete_messages: bool = False,
    adopt: bool = False,
) -> Changes:
    """Make the servers have what the catalog declares, and nothing more of ours; a second run changes nothing.

    Without `aws`, AWS is away: what is declared there, or was made there, is left alone. The same with `kubernetes`.

    Raises Busy, ForeignStack (unless `adopt`), QueueHoldsMessages (unless `delete_messages`), UnknownResource,
    AgainstTheRules and what the program refuses before anything is touched; NotAllApplied after all that could be
    applied was; ServerProblem.
    """
    reached = connected(stack, management_url, admin_user, admin_password, aws, kubernetes, adopt=adopt)
    with stored.locked(stack, state_dir), reached as servers:
        before = stored.load(stack, state_dir) or State()
        recording = _record(stack, before, catalog, servers.config)
        live = read_live(servers.api)
        if not adopt:
            require_own(recording.resources, before, live)
        uid = servers.kubernetes_uid(before)
        sides = servers.sides(recording.resources, before, live)
        if not delete_messages:
            _require_no_messages(sides)
        standing = _standing(recording, before, servers)
        state = State(cluster=live.cluster, kubernetes=uid, resources=standing, outputs=recording.outputs)
        # Dependents last, and what is to go before what is to stay: the order that a later removal reverses.
        left = [resource for side in sides for resource in reversed(side.left)]
        stored.save(replace(state, resources=(*state.resources, *left)), stack, state_dir)
        outcome = apply(sides, on_progress or _silent, delete_messages=delete_messages)
        sound = [one for one in at(Where.BROKER, recording.resources) if label(one) not in outcome.problems]
        outcome.problems |= settle(servers.api, names.vhost(stack), sound)
        stored.save(replace(state, resources=(*state.resources, *outcome.kept)), stack, state_dir)
    if outcome.problems:
        raise NotAllApplied(outcome.problems, outcome.skipped)
    return _changes(outcome, planned(sides, _away(recording, before, servers)))


def preview(
    stack: str,
    *,
    management_url: str,
    admin_user: str,
    admin_password: str,
    state_dir: Path,
    catalog: Catalog = CATALOG,
    aws: AwsTarget | None = None,
    kubernetes: KubernetesTarget | None = None,
) -> Changes:
    """What `up` would change; touches nothing. Raises UnknownResource, AgainstTheRules, ForeignStack, ServerProblem."""
    with connected(stack, management_url, admin_user, admin_password, aws, kubernetes) as servers:
        before = stored.load(stack, state_dir) or State()
        recording = _record(stack, before, catalog, servers.config, preview=True)
        live = read_live(servers.api)
        require_own(recording.resources, before, live)
        servers.kubernetes_uid(before)
        sides = servers.sides(recording.resources, before, live)
        return planned(sides, _away(recording, before, servers))


def destroy(
    stack: str,
    *,
    management_url: str,
    admin_user: str,
    admin_password: str,
    state_dir: Path,
    aws: AwsTarget | None = None,
    kubernetes: KubernetesTarget | None = None,
    delete_messages: bool = False,
    on_progress: Progress | None = None,
) -> Changes:
    """Remove all that the stack has on Kubernetes and at AWS, its users, its vhost with all in it, then its state.

    Without `aws`, what was made there is left and forgotten: LocalStack keeps nothing beyond its end. What was made on
    Kubernetes is not: without `kubernetes`, ForeignStack is raised if there is any.

    Raises NotApplied, Busy, ForeignStack, QueueHoldsMessages (unless `delete_messages`), NotAllApplied if a server does
    not let go of something (then the state stays), ServerProblem.
    """
    reached = connected(stack, management_url, admin_user, admin_password, aws, kubernetes)
    with stored.locked(stack, state_dir), reached as servers:
        state = _applied(stack, state_dir)
        live = read_live(servers.api)
        present = [one for one in reversed(at(Where.BROKER, state.resources)) if is_there(one, live)]
        _require_same_servers(state, live, servers, stack)
        plans = {where: place.plan((), made_at(where, state)) for where, place in servers.asked()}
        if not delete_messages:
            held = {
                name: count
                for where, place in servers.asked()
                for name, count in place.held(plans[where].removals).items()
            }
            _require_empty(servers.api, present, held)
        progress = on_progress or _silent
        # The others first: the state has theirs until all of it is gone, and the rest can be destroyed without it.
        for where, place in reversed([*servers.asked()]):
            _remove_all(Applying(place=place, plan=plans[where], progress=progress, delete_messages=True))
        whole = Plan(steps=(), removals=tuple(one for one in present if one.type in {USER, VHOST}))
        _remove_all(Applying(place=BrokerPlace(servers.api), plan=whole, progress=progress, delete_messages=True))
        stored.forget(stack, state_dir)
    left = [resource for plan in plans.values() for resource in plan.removals]
    changes = planned((), servers.away(state.resources))
    return replace(changes, deleted=tuple(label(resource) for resource in (*left, *present)))


def outputs(stack: str, state_dir: Path) -> Outputs:
    """What the program exported at the last `up`, passwords in the clear; raises NotApplied."""
    exported = _applied(stack, state_dir).outputs
    return Outputs(vhost=exported["vhost"], user_names=exported["user_names"], users=exported["users"])


def _applied(stack: str, state_dir: Path) -> State:
    state = stored.load(stack, state_dir)
    if state is None:
        raise NotApplied(f"stack {stack!r} has no state in {state_dir}; run up first")
    return state


def _record(stack: str, before: State, catalog: Catalog, config: dict[str, str], *, preview: bool = False) -> Recording:
    known = before.passwords()
    recording = record(
        lambda: declare(catalog, Settings.load()), stack=stack, config=config, known=known, preview=preview
    )
    require_known(recording.resources)
    require_within_rules(recording.resources)
    return recording


def _standing(recording: Recording, before: State, servers: Servers) -> tuple[Resource, ...]:
    """What the state has after the run: of a server that is away, what it had, and all passwords that may be its."""
    here = tuple(one for one in recording.resources if not servers.is_away(one))
    kept = servers.away(before.resources)
    passwords = [one for one in left_over(here, before) if one.type == RANDOM_PASSWORD] if kept else []
    return *here, *passwords, *kept


def _away(recording: Recording, before: State, servers: Servers) -> tuple[Resource, ...]:
    """What is left alone, declared or made before: of a server that is away, not all is declared.

    Told apart by what the program calls it: while AWS is away, what is declared names a stand-in's account.
    """
    return tuple({one.urn: one for one in servers.away((*before.resources, *recording.resources))}.values())


def _require_no_messages(sides: tuple[Side, ...]) -> None:
    for side in sides:
        side.require_no_messages()


def _require_empty(api: Management, present: list[Resource], held: dict[str, int]) -> None:
    for vhost in (one.inputs["name"] for one in present if one.type == VHOST):
        held |= holding(api, vhost, queues_of(api, vhost))
    if held:
        raise QueueHoldsMessages(held, HELD)


def _remove_all(run: Applying) -> None:
    run.remove()
    if run.outcome.problems:
        raise NotAllApplied(run.outcome.problems, run.outcome.skipped)


def _require_same_servers(state: State, live: Live, servers: Servers, stack: str) -> None:
    if state.cluster != live.cluster and names.vhost(stack) in live.vhosts:
        raise ForeignStack(f"the state of stack {stack!r} is of another broker; give the URL of the one it was made at")
    if servers.kubernetes is None and at(Where.KUBERNETES, state.resources):
        raise ForeignStack(f"stack {stack!r} has a part on Kubernetes, which would go on without it; name the cluster")
    servers.kubernetes_uid(state)


def _changes(outcome: Outcome, work: Changes) -> Changes:
    return Changes(
        created=tuple(label(resource) for resource in outcome.created),
        updated=tuple(label(resource) for resource in outcome.updated),
        deleted=tuple(label(resource) for resource in outcome.deleted),
        unchanged=work.unchanged,
        away=work.away,
        away_at=work.away_at,
    )


def _silent(_line: str) -> None:
    """Report nothing."""
