"""Waits for what others need to be finished: a Job that ran, a definition that is served, an object that is gone."""

import time
from collections.abc import Callable

from infra.offline_engine.errors import KubernetesProblem
from infra.offline_engine.kubernetes.api import Api
from infra.offline_engine.kubernetes.manifests import Manifest, condition, label, pod_of

INTERVAL_SECONDS = 0.2
#: For a Job that sets no activeDeadlineSeconds.
JOB_SECONDS = 600.0
DEFINITION_SECONDS = 30.0
#: For what is removed; pods are given their grace first, Kubernetes' own where they have none.
GONE_SECONDS = 180.0
GRACE_SECONDS = 30.0
#: Beyond the grace: to tell the pods, to kill them, and to see that they are gone.
MARGIN_SECONDS = 60.0
JOB, DEFINITION = "Job", "CustomResourceDefinition"


def finished(api: Api, one: Manifest) -> None:
    """Wait until what depends on it may be applied; raises KubernetesProblem if it fails or takes too long."""
    if one["kind"] == JOB:
        patience = float(one["spec"].get("activeDeadlineSeconds", JOB_SECONDS))
        _until(lambda: _is_complete(api.read(one)), patience, f"{label(one)} must be complete")
    elif one["kind"] == DEFINITION:
        served = lambda: bool(condition(api.read(one) or {}, "Established"))  # noqa: E731
        _until(served, DEFINITION_SECONDS, f"{label(one)} must be established")


def removal_seconds(one: Manifest) -> float:
    """How long its removal may take."""
    pod = pod_of(one)
    grace = float(pod.get("terminationGracePeriodSeconds", GRACE_SECONDS)) + MARGIN_SECONDS if pod else 0.0
    return max(GONE_SECONDS, grace)


def gone(api: Api, one: Manifest, patience: float) -> None:
    """Wait until it is no more; raises KubernetesProblem, saying what holds it."""
    deadline = time.monotonic() + patience
    while (live := api.read(one)) is not None:
        if time.monotonic() > deadline:
            holding = live["metadata"].get("finalizers") or live.get("spec", {}).get("finalizers") or ["nothing named"]
            raise KubernetesProblem(
                f"{label(one)} must be gone within {patience:g} s, got it held by {', '.join(holding)}: "
                "what should release it may not run"
            )
        time.sleep(INTERVAL_SECONDS)


def job_failure(live: Manifest) -> str | None:
    """Why a Job failed, None if it has not."""
    failed = condition(live, "Failed")
    if failed is None:
        return None
    reason = f"{failed.get('reason', 'unknown')}: {failed.get('message', '')}"
    return f"the Job failed ({reason}); `kubectl logs` of its pods tells why. Delete it, put it right, run up again"


def is_unfinished_job(live: Manifest) -> bool:
    """Whether it is a Job that is not complete."""
    return bool(live["kind"] == JOB and condition(live, "Complete") is None)


def _is_complete(live: Manifest | None) -> bool:
    if live is None:
        raise KubernetesProblem("the Job was removed while it ran; run up again")
    if failure := job_failure(live):
        raise KubernetesProblem(failure)
    return not is_unfinished_job(live)


def _until(done: Callable[[], bool], patience: float, what: str) -> None:
    deadline = time.monotonic() + patience
    while not done():
        if time.monotonic() > deadline:
            raise KubernetesProblem(f"{what} within {patience:g} s, got nothing like it")
        time.sleep(INTERVAL_SECONDS)
