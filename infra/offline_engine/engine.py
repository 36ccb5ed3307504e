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
from infra.offline_engine.changes import Changes
from infra.offline_engine.errors import ForeignStack, NotAllApplied, NotApplied, QueueHoldsMessages
from infra.offline_engine.kinds import USER, VHOST, label, require_known
from infra.offline_engine.live import Live, read_live
from infra.offline_engine.management import Management
from infra.offline_engine.messages import holding, queues_of
from infra.offline_engine.planning import Plan, is_there, left_over, plan, require_own
from infra.offline_engine.recording import Recording, record
from infra.offline_engine.settling import settle
from infra.offline_engine.state import State
from infra.settings import Settings

HELD = "let workers finish them, put the group back into the catalog, or say that they may be deleted"


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
    on_progress: Progress | None = None,
    delete_messages: bool = False,
    adopt: bool = False,
) -> Changes:
    """Make the broker have what the catalog declares, and nothing more of ours; a second run changes nothing.

    Raises Busy, ForeignStack (unless `adopt`), QueueHoldsMessages (unless `delete_messages`) and UnknownResource
    before anything is touched; NotAllApplied after all that could be applied was; BrokerProblem.
    """
    with stored.locked(stack, state_dir), Management(management_url, admin_user, admin_password) as api:
        before = stored.load(stack, state_dir) or State()
        recording = _record(stack, before, catalog, _config(api, admin_user, admin_password))
        live = read_live(api)
        if not adopt:
            require_own(recording.resources, before, live)
        work = plan(recording.resources, before, live)
        if not delete_messages:
            _require_no_messages(api, work)
        left = left_over(recording.resources, before)
        state = State(cluster=live.cluster, resources=recording.resources, outputs=recording.outputs)
        # Dependents last, and what is to go before what is to stay: the order that a later removal reverses.
        whole = replace(state, resources=(*recording.resources, *reversed(left)))
        stored.save(whole, stack, state_dir)
        progress = on_progress or _silent
        outcome = Applying(api=api, plan=work, progress=progress, delete_messages=delete_messages).run()
        sound = [resource for resource in recording.resources if label(resource) not in outcome.problems]
        outcome.problems |= settle(api, names.vhost(stack), sound)
        stored.save(replace(state, resources=(*recording.resources, *outcome.kept)), stack, state_dir)
    if outcome.problems:
        raise NotAllApplied(outcome.problems, outcome.skipped)
    return _changes(outcome, work)


def preview(
    stack: str,
    *,
    management_url: str,
    admin_user: str,
    admin_password: str,
    state_dir: Path,
    catalog: Catalog = CATALOG,
) -> Changes:
    """What `up` would change; touches nothing. Raises UnknownResource, ForeignStack, BrokerProblem."""
    with Management(management_url, admin_user, admin_password) as api:
        before = stored.load(stack, state_dir) or State()
        recording = _record(stack, before, catalog, _config(api, admin_user, admin_password), preview=True)
        live = read_live(api)
        require_own(recording.resources, before, live)
        return plan(recording.resources, before, live).changes()


def destroy(
    stack: str,
    *,
    management_url: str,
    admin_user: str,
    admin_password: str,
    state_dir: Path,
    delete_messages: bool = False,
    on_progress: Progress | None = None,
) -> Changes:
    """Remove the stack's users and its vhost with all that is in it, then its state.

    Raises NotApplied, Busy, ForeignStack, QueueHoldsMessages (unless `delete_messages`), BrokerProblem.
    """
    with stored.locked(stack, state_dir), Management(management_url, admin_user, admin_password) as api:
        state = _applied(stack, state_dir)
        live = read_live(api)
        present = [resource for resource in reversed(state.resources) if is_there(resource, live)]
        _require_same_broker(state, live, stack)
        for vhost in (one.inputs["name"] for one in present if one.type == VHOST):
            held = {} if delete_messages else holding(api, vhost, queues_of(api, vhost))
            if held:
                raise QueueHoldsMessages(held, HELD)
        whole = Plan(steps=(), removals=tuple(one for one in present if one.type in {USER, VHOST}))
        Applying(api=api, plan=whole, progress=on_progress or _silent, delete_messages=True).run()
        stored.forget(stack, state_dir)
    return Changes(deleted=tuple(label(resource) for resource in present))


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
    return recording


def _config(api: Management, user: str, password: str) -> dict[str, str]:
    return {"endpoint": api.url, "username": user, "password": password, "protect": "true"}


def _require_no_messages(api: Management, work: Plan) -> None:
    held: dict[str, int] = {}
    for queue in work.removed_queues():
        held |= holding(api, queue.inputs["vhost"], [queue.inputs["name"]])
    if held:
        raise QueueHoldsMessages(held, HELD)


def _require_same_broker(state: State, live: Live, stack: str) -> None:
    if state.cluster != live.cluster and names.vhost(stack) in live.vhosts:
        raise ForeignStack(f"the state of stack {stack!r} is of another broker; give the URL of the one it was made at")


def _changes(outcome: Outcome, work: Plan) -> Changes:
    return Changes(
        created=tuple(label(resource) for resource in outcome.created),
        updated=tuple(label(resource) for resource in outcome.updated),
        deleted=tuple(label(resource) for resource in outcome.deleted),
        unchanged=work.changes().unchanged,
    )


def _silent(_line: str) -> None:
    """Report nothing."""
