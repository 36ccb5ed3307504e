"""A cluster as a place to apply resources to."""

from collections.abc import Iterable

from infra.offline_engine.asking import AskedPlace
from infra.offline_engine.errors import KubernetesProblem
from infra.offline_engine.kind import Standing
from infra.offline_engine.kubernetes import waiting
from infra.offline_engine.kubernetes.api import Api
from infra.offline_engine.kubernetes.manifests import Manifest, comparable, is_managed_by, managers, manifest
from infra.offline_engine.planning import Step
from infra.offline_engine.resources import Resource

#: Others (an autoscaler) write to what is compared.
COMPARISONS = 5
#: What no other try, permission or server puts right: HTTP's "unprocessable", as for a field that is immutable.
INVALID = 422


class KubernetesPlace(AskedPlace):
    """One cluster. What this stack has not applied is somebody else's, and left alone, unless `adopt`."""

    def __init__(self, api: Api, *, adopt: bool = False) -> None:
        self.uid = api.uid()
        self._api = api
        self._adopt = adopt
        self._patience = 0.0

    def step(self, resource: Resource) -> Step:
        wanted = manifest(resource.inputs)
        live = self._api.read(wanted)
        if live is None or _is_going(live):
            return Step(resource=resource, standing=Standing.ABSENT)
        if not self._is_ours(live):
            return Step(resource=resource, standing=Standing.FIXED, reason=_foreign(live))
        if failure := waiting.job_failure(live):
            return Step(resource=resource, standing=Standing.FIXED, reason=failure)
        try:
            same = self._is_same(wanted, live)
        except KubernetesProblem as problem:
            if problem.status != INVALID:
                raise
            return Step(resource=resource, standing=Standing.FIXED, reason=_refused(problem))
        is_right = same and not waiting.is_unfinished_job(live)
        return Step(resource=resource, standing=Standing.RIGHT if is_right else Standing.WRONG)

    def is_there(self, resource: Resource) -> bool:
        live = self._api.read(manifest(resource.inputs))
        return live is not None and is_managed_by(live, self._api.manager)

    def write(self, resource: Resource) -> None:
        wanted = manifest(resource.inputs)
        live = self._api.read(wanted)
        if live is not None and _is_going(live):
            waiting.gone(self._api, wanted, waiting.removal_seconds(live))
            live = None
        self._api.apply(wanted, force=live is not None and self._is_ours(live))
        waiting.finished(self._api, wanted)

    def remove(self, resource: Resource) -> None:
        wanted = manifest(resource.inputs)
        # A namespace, which goes last, may still have pods of what went before.
        self._patience = max(self._patience, waiting.removal_seconds(wanted))
        self._api.delete(wanted)
        waiting.gone(self._api, wanted, self._patience)

    def held(self, resources: Iterable[Resource]) -> dict[str, int]:
        del resources
        return {}  # messages lie at the broker

    def _is_ours(self, live: Manifest) -> bool:
        return self._adopt or is_managed_by(live, self._api.manager)

    def _is_same(self, wanted: Manifest, live: Manifest) -> bool:
        """Whether applying it would change nothing, as the server itself says."""
        for _ in range(COMPARISONS):
            if comparable(self._api.apply(wanted, force=True, dry_run=True)) == comparable(live):
                return True
            now = self._api.read(wanted)
            if now is None or now["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]:
                return False
            live = now
        return False


def _is_going(live: Manifest) -> bool:
    return "deletionTimestamp" in live["metadata"]


def _foreign(live: Manifest) -> str:
    by = ", ".join(managers(live)) or "nobody who is known"
    return f"exists and was not made by this stack, but by {by}; delete it, choose another name, or adopt it"


def _refused(problem: KubernetesProblem) -> str:
    return f"exists and cannot be changed to what is declared: {problem}; delete it by hand and run up again"
