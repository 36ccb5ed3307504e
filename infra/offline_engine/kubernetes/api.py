"""The API server, as far as the engine uses it."""

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubernetes.client import ApiException, Configuration, VersionApi
from kubernetes.config import ConfigException, list_kube_config_contexts, new_client_from_config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError
from urllib3.exceptions import HTTPError
from yaml import YAMLError

from infra.offline_engine.errors import KubernetesProblem
from infra.offline_engine.kubernetes.manifests import Manifest, label, pod_of
from infra.offline_engine.kubernetes.target import KubernetesTarget

NOT_FOUND = 404
#: To answer; an admission webhook may take ten seconds.
PATIENCE_SECONDS = 30.0
#: Of a connection that fails.
RETRIES = 1


class Api:
    """One cluster; each method raises KubernetesProblem. Safe in threads."""

    def __init__(self, client: DynamicClient, where: str, manager: str, patience: float) -> None:
        self.where = where
        self.manager = manager
        self._client = client
        self._patience = patience
        self._lock = threading.Lock()

    def read(self, one: Manifest) -> Manifest | None:
        """What is there, None if nothing is."""
        with as_problem(self.where):
            try:
                kind = self._kind(one)
                return self._asked(kind.get, **_place(one))
            except ResourceNotFoundError:
                return None  # what brings the kind may be part of the program
            except ApiException as error:
                if error.status == NOT_FOUND:
                    return None
                raise

    def apply(self, one: Manifest, *, force: bool, dry_run: bool = False) -> Manifest:
        """Apply it as the stack's own manager; with `force`, fields of other managers become its."""
        with as_problem(self.where):
            more = {"dry_run": "All"} if dry_run else {}
            return self._asked(
                self._kind(one).server_side_apply,
                body=one,
                **_place(one),
                field_manager=self.manager,
                force_conflicts=force,
                **more,
            )

    def delete(self, one: Manifest) -> None:
        """Ask for its removal, content with its absence: pods that it owns end before it, other things after it."""
        policy = "Foreground" if pod_of(one) else "Background"
        with as_problem(self.where):
            try:
                self._asked(self._kind(one).delete, **_place(one), propagation_policy=policy)
            except ResourceNotFoundError:
                return
            except ApiException as error:
                if error.status != NOT_FOUND:
                    raise

    def uid(self) -> str:
        """What tells this cluster from others."""
        found = self.read({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}})
        return str(found["metadata"]["uid"]) if found else ""

    def _kind(self, one: Manifest) -> Any:
        with self._lock:  # it asks, and notes, what the server knows
            found = self._client.resources.get(api_version=one["apiVersion"], kind=one["kind"])
        if found.namespaced and not one["metadata"].get("namespace"):
            raise KubernetesProblem(f"{label(one)}: metadata.namespace must be set for a {one['kind']}, got none")
        return found

    def _asked(self, call: Any, **arguments: Any) -> Manifest:
        answer: Manifest = call(**arguments, _request_timeout=self._patience).to_dict()
        return answer


@contextmanager
def connected(target: KubernetesTarget, stack: str, *, patience: float = PATIENCE_SECONDS) -> Iterator[Api]:
    """A cluster that answers, within `patience` seconds, and is the one that was meant; raises KubernetesProblem."""
    where = f"{target.context} ({target.kubeconfig})"
    _require_current(target)
    # The client would note what the server knows in a file that all users of the machine can foretell.
    with tempfile.TemporaryDirectory(prefix="millrace-") as directory:
        with _reading(target):
            client = new_client_from_config(
                config_file=str(target.kubeconfig),
                context=target.context,
                persist_config=False,
                client_configuration=Configuration(retries=RETRIES),
            )
        try:
            with as_problem(where):
                VersionApi(client).get_code(_request_timeout=patience)  # the next would wait for ever
                dynamic = DynamicClient(client, cache_file=str(Path(directory) / "known.json"))
            yield Api(dynamic, where, field_manager(stack), patience)
        finally:
            client.close()


def field_manager(stack: str) -> str:
    """As whom the engine applies: the server keeps which fields are of which stack."""
    return f"millrace-{stack}"


def _require_current(target: KubernetesTarget) -> None:
    with _reading(target):
        contexts, current = list_kube_config_contexts(config_file=str(target.kubeconfig))
    if current["name"] != target.context:
        known = ", ".join(sorted(one["name"] for one in contexts))
        raise KubernetesProblem(
            f"the current context of {target.kubeconfig} must be {target.context!r}, got {current['name']!r} "
            f"(there are {known}); `kubectl config use-context {target.context}`, or name another one"
        )


@contextmanager
def _reading(target: KubernetesTarget) -> Iterator[None]:
    try:
        yield
    except ConfigException as error:
        raise KubernetesProblem(f"{target.kubeconfig} must be a kubeconfig, got: {error}") from None
    except (YAMLError, OSError, ValueError, TypeError, AttributeError) as error:
        # Their words may quote what is in it, which is secret.
        raise KubernetesProblem(f"{target.kubeconfig} must be a kubeconfig, got a {type(error).__name__}") from None


@contextmanager
def as_problem(where: str) -> Iterator[None]:
    """Raise what the client raises as KubernetesProblem; one with a cause is no answer at all."""
    try:
        yield
    except ResourceNotFoundError as error:
        raise KubernetesProblem(f"Kubernetes at {where} has no such kind ({error}); install what brings it") from None
    except ApiException as error:
        if not error.status:
            raise _silent(where, error) from error
        raise KubernetesProblem(f"{error.status} {_reason(error)}", error.status) from None
    except (HTTPError, OSError) as error:
        raise _silent(where, error) from error


def _silent(where: str, error: Exception) -> KubernetesProblem:
    return KubernetesProblem(f"Kubernetes at {where} does not answer ({error}); start it, or correct the kubeconfig")


def _reason(error: ApiException) -> str:
    try:
        return str(json.loads(error.body or "")["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)


def _place(one: Manifest) -> dict[str, str]:
    metadata = one["metadata"]
    where = {"namespace": metadata["namespace"]} if metadata.get("namespace") else {}
    return {"name": metadata["name"], **where}
