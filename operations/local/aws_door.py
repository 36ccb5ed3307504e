"""The AWS side of the local stack: LocalStack if it can be had here, else the reason why not; all else runs without."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from millrace.declarations import Catalog

from operations.aws_place import SWITCHED_OFF
from operations.local.daemon import apply_fleet, fleet_specs, running
from operations.local.docker_broker import docker_works
from operations.local.errors import log_tail
from operations.local.layout import Layout
from operations.local.localstack import ACCOUNT, NAME, REGION, answers, compose_spec, endpoint, localstack_spec, why_not
from operations.local.ports import holder, is_free
from operations.local.process_spec import ProcessSpec

START_SECONDS = 45.0
#: One that died so often while it was waited for does not come up.
HOPELESS = 2

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class LocalAws:
    """What is noted about AWS (endpoint, region, account, or the `problem`), and the processes that stand in for it."""

    noted: Mapping[str, str] = field(default_factory=dict)
    processes: tuple[ProcessSpec, ...] = ()

    @property
    def is_there(self) -> bool:
        """Whether there is an AWS to talk to."""
        return "endpoint" in self.noted


def without(problem: str, say: Progress) -> LocalAws:
    """No AWS, for a reason that is told; what came by other doors is handled all the same."""
    say(f"AWS door: not open, everything else runs: {problem}")
    return LocalAws(noted={"problem": problem})


def choose_aws(catalog: Catalog, layout: Layout, port: int, environment: Mapping[str, str], say: Progress) -> LocalAws:
    """What stands in for AWS here; nothing where the catalog has nothing there. Nothing is started."""
    if not catalog.uses_aws:
        return LocalAws()
    variable, _, off = SWITCHED_OFF.partition("=")
    if environment.get(variable) == off:
        return without(SWITCHED_OFF, say)
    ours = any(spec.name == NAME for spec in fleet_specs(layout))
    if not ours and not is_free(port):
        who = holder(port)
        return without(f"port {port} must be free, got in use{f' by {who}' if who else ''}", say)
    noted = {"endpoint": endpoint(port), "region": REGION, "account": ACCOUNT}
    problem = why_not()
    if problem is None:
        return LocalAws(noted=noted, processes=(localstack_spec(layout, port),))
    if docker_works():
        return LocalAws(noted=noted, processes=(compose_spec(layout, port),))
    return without(problem, say)


def start_aws(aws: LocalAws, layout: Layout) -> None:
    """Have it started beside what runs already."""
    specs = fleet_specs(layout)
    if not {spec.name for spec in aws.processes} <= {spec.name for spec in specs}:
        apply_fleet(layout, [*specs, *aws.processes])


def wait_for_aws(aws: LocalAws, layout: Layout, say: Progress) -> LocalAws:
    """Wait until it answers; if it does not, it is taken out of the fleet and the reason told."""
    if not aws.is_there:
        return aws
    deadline = time.monotonic() + START_SECONDS
    while not answers(aws.noted["endpoint"]):
        died = next((status.restarts for status in running(layout).processes if status.name == NAME), 0)
        if died >= HOPELESS or time.monotonic() > deadline:
            apply_fleet(layout, [spec for spec in fleet_specs(layout) if spec.name != NAME])
            log = layout.log(NAME)
            return without(f"LocalStack does not start; its log ({log}) ends:\n{log_tail(log)}", say)
        time.sleep(0.1)
    say(f"AWS door: LocalStack at {aws.noted['endpoint']}")
    return aws
