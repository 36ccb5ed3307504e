"""The engine's four verbs: up, preview, destroy, outputs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from millrace import names
from millrace.catalog import CATALOG
from millrace.declarations import Catalog

from infra.__main__ import declare
from infra.offline_engine import state as stored
from infra.offline_engine.applying import Applying, Outcome, Progress
from infra.offline_engine.aws.clients import connected
from infra.offline_engine.aws.place import AwsPlace
from infra.offline_engine.aws.target import AWAY, AwsTarget
from infra.offline_engine.changes import Changes
from infra.offline_engine.errors import ForeignStack, NotAllApplied, NotApplied, QueueHoldsMessages
from infra.offline_engine.guarding import require_within_rules
from infra.offline_engine.kinds import USER, VHOST, label, require_known
from infra.offline_engine.live import Live, read_live
from infra.offline_engine.management import Management
from infra.offline_engine.messages import holding, queues_of
from infra.offline_engine.place import BrokerPlace
from infra.offline_engine.planning import Plan, is_there, require_own
from infra.offline_engine.recording import Recording, record
from infra.offline_engine.resources import Resource
from infra.offline_engine.settling import settle
from infra.offline_engine.sides import HELD, Side, at_aws, at_broker, aws_side, broker_side, merged, planned
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
    on_progress: Progress | None = None,
    delete_messages: bool = False,
    adopt: bool = False,
) -> Changes:
    """Make the servers have what the catalog declares, and nothing more of ours; a second run changes nothing.

    Without `aws`, AWS is away: what is declared there, or was made there, is left alone.

    Raises Busy, ForeignStack (unless `adopt`), QueueHoldsMessages (unless `delete_messages`), UnknownResource,
    AgainstTheRules and what the program refuses before anything is touched; NotAllApplied after all that could be
    applied was; ServerProblem.
    """
    with stored.locked(stack, state_dir), _servers(management_url, admin_user, admin_password, aws) as (api, cloud):
        before = stored.load(stack, state_dir) or State()
        recording = _record(stack, before, catalog, _config(api, admin_user, admin_password, aws))
        live = read_live(api)
        if not adopt:
            require_own(recording.resources, before, live)
        sides = _sides(recording, before, live, BrokerPlace(api), cloud)
        if not delete_messages:
            _require_no_messages(sides)
        state = State(cluster=live.cluster, resources=_standing(recording, before, cloud), outputs=recording.outputs)
        # Dependents last, and what is to go before what is to stay: the order that a later removal reverses.
        left = [resource for side in sides for resource in reversed(side.left)]
        stored.save(replace(state, resources=(*state.resources, *left)), stack, state_dir)
        progress = on_progress or _silent
        outcome = merged(side.apply(progress, delete_messages=delete_messages) for side in sides)
        sound = [one for one in at_broker(recording.resources) if label(one) not in outcome.problems]
        outcome.problems |= settle(api, names.vhost(stack), sound)
        stored.save(replace(state, resources=(*state.resources, *outcome.kept)), stack, state_dir)
    if outcome.problems:
        raise NotAllApplied(outcome.problems, outcome.skipped)
    return _changes(outcome, planned(sides, _away(recording, cloud)))


def preview(
    stack: str,
    *,
    management_url: str,
    admin_user: str,
    admin_password: str,
    state_dir: Path,
    catalog: Catalog = CATALOG,
    aws: AwsTarget | None = None,
) -> Changes:
    """What `up` would change; touches nothing. Raises UnknownResource, AgainstTheRules, ForeignStack, ServerProblem."""
    with _servers(management_url, admin_user, admin_password, aws) as (api, cloud):
        before = stored.load(stack, state_dir) or State()
        recording = _record(stack, before, catalog, _config(api, admin_user, admin_password, aws), preview=True)
        live = read_live(api)
        require_own(recording.resources, before, live)
        sides = _sides(recording, before, live, BrokerPlace(api), cloud)
        return planned(sides, _away(recording, cloud))


def destroy(
    stack: str,
    *,
    management_url: str,
    admin_user: str,
    admin_password: str,
    state_dir: Path,
    aws: AwsTarget | None = None,
    delete_messages: bool = False,
    on_progress: Progress | None = None,
) -> Changes:
    """Remove the stack's users, its vhost with all that is in it and all that it has at AWS, then its state.

    Without `aws`, what was made there is left and forgotten: LocalStack keeps nothing beyond its end.

    Raises NotApplied, Busy, ForeignStack, QueueHoldsMessages (unless `delete_messages`), ServerProblem.
    """
    with stored.locked(stack, state_dir), _servers(management_url, admin_user, admin_password, aws) as (api, cloud):
        state = _applied(stack, state_dir)
        live = read_live(api)
        present = [one for one in reversed(at_broker(state.resources)) if is_there(one, live)]
        _require_same_broker(state, live, stack)
        left = cloud.plan((), replace(state, resources=at_aws(state.resources))).removals if cloud else ()
        if not delete_messages:
            _require_empty(api, present, cloud.held(left) if cloud else {})
        progress = on_progress or _silent
        if cloud:
            # First: the state has it until all of it is gone, and the rest can be destroyed without it.
            Applying(place=cloud, plan=Plan(steps=(), removals=left), progress=progress, delete_messages=True).run()
        whole = Plan(steps=(), removals=tuple(one for one in present if one.type in {USER, VHOST}))
        Applying(place=BrokerPlace(api), plan=whole, progress=progress, delete_messages=True).run()
        stored.forget(stack, state_dir)
    away = 0 if cloud else len(at_aws(state.resources))
    return Changes(deleted=tuple(label(resource) for resource in (*left, *present)), away=away)


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


def _config(api: Management, user: str, password: str, aws: AwsTarget | None) -> dict[str, str]:
    broker = {"endpoint": api.url, "username": user, "password": password, "protect": "true"}
    return broker | (aws or AWAY).config()


@contextmanager
def _servers(url: str, user: str, password: str, aws: AwsTarget | None) -> Iterator[tuple[Management, AwsPlace | None]]:
    """The broker, and AWS if it is not away."""
    with Management(url, user, password) as api:
        if aws is None:
            yield api, None
            return
        with connected(aws) as clients:
            yield api, AwsPlace(clients)


def _sides(
    recording: Recording, before: State, live: Live, broker: BrokerPlace, cloud: AwsPlace | None
) -> tuple[Side, ...]:
    first = broker_side(broker, recording.resources, before, live)
    return (first, aws_side(cloud, recording.resources, before)) if cloud else (first,)


def _standing(recording: Recording, before: State, cloud: AwsPlace | None) -> tuple[Resource, ...]:
    """What the state has after the run: of AWS, while it is away, what it had."""
    return recording.resources if cloud else (*at_broker(recording.resources), *at_aws(before.resources))


def _away(recording: Recording, cloud: AwsPlace | None) -> int:
    return 0 if cloud else len(at_aws(recording.resources))


def _require_no_messages(sides: tuple[Side, ...]) -> None:
    for side in sides:
        side.require_no_messages()


def _require_empty(api: Management, present: list[Resource], held: dict[str, int]) -> None:
    for vhost in (one.inputs["name"] for one in present if one.type == VHOST):
        held |= holding(api, vhost, queues_of(api, vhost))
    if held:
        raise QueueHoldsMessages(held, HELD)


def _require_same_broker(state: State, live: Live, stack: str) -> None:
    if state.cluster != live.cluster and names.vhost(stack) in live.vhosts:
        raise ForeignStack(f"the state of stack {stack!r} is of another broker; give the URL of the one it was made at")


def _changes(outcome: Outcome, work: Changes) -> Changes:
    return Changes(
        created=tuple(label(resource) for resource in outcome.created),
        updated=tuple(label(resource) for resource in outcome.updated),
        deleted=tuple(label(resource) for resource in outcome.deleted),
        unchanged=work.unchanged,
        away=work.away,
    )


def _silent(_line: str) -> None:
    """Report nothing."""
