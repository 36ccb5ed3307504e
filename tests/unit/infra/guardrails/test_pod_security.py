"""Pods are as Pod Security "restricted" wants them, and a little more."""

import copy

import pytest

from tests.unit.infra.guardrails import cluster
from tests.unit.infra.guardrails.breaking import DIGEST, Edit, Stack, broken, drop, edited, messages, set_at
from tests.unit.infra.guardrails.cluster import DEPLOYMENT, WORKER

RULE = "pod-security"
POD = ("spec", "template", "spec")
SHARED = (*POD, "securityContext")
CONTAINER = (*POD, "containers", 0)
OWN = (*CONTAINER, "securityContext")


APP_ARMOR = "container.apparmor.security.beta.kubernetes.io"
HOOKS = (
    *((probe,) for probe in ("livenessProbe", "readinessProbe", "startupProbe")),
    ("lifecycle", "postStart"),
    ("lifecycle", "preStop"),
)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (set_at(*POD, "hostPID", to=True), "hostPID"),
        (set_at(*POD, "hostIPC", to=True), "hostIPC"),
        (drop(*POD, "automountServiceAccountToken"), "automountServiceAccountToken"),
        (set_at(*POD, "volumes", 0, to={"name": "x", "hostPath": {"path": "/"}}), "hostPath"),
        (drop(*SHARED, "runAsNonRoot"), "runAsNonRoot"),
        (set_at(*SHARED, "runAsUser", to=0), "runAsUser"),
        (set_at(*SHARED, "sysctls", to=[{"name": "kernel.msgmax", "value": "1"}]), "kernel.msgmax"),
        *(
            (set_at(*SHARED, "seLinuxOptions", to={key: value}), "seLinuxOptions")
            for key, value in (("type", "spc_t"), ("user", "system_u"), ("role", "system_r"))
        ),
        (set_at(*SHARED, "appArmorProfile", to={"type": "Unconfined"}), "appArmorProfile"),
        (set_at(*SHARED, "windowsOptions", to={"hostProcess": True}), "hostProcess"),
        (drop(*SHARED, "seccompProfile"), "seccompProfile"),
        (set_at(*SHARED, "seccompProfile", "type", to="Unconfined"), "seccompProfile"),
        (set_at(*OWN, "seccompProfile", to={"type": "Unconfined"}), "seccompProfile"),
        (set_at(*OWN, "runAsNonRoot", to=False), "runAsNonRoot"),
        (set_at(*OWN, "runAsUser", to=0), "runAsUser"),
        (set_at(*OWN, "privileged", to=True), "privileged"),
        (drop(*OWN, "allowPrivilegeEscalation"), "allowPrivilegeEscalation"),
        (drop(*OWN, "readOnlyRootFilesystem"), "readOnlyRootFilesystem"),
        (drop(*OWN, "capabilities"), "capabilities.drop"),
        (set_at(*OWN, "capabilities", "drop", to=["NET_RAW"]), "capabilities.drop"),
        (set_at(*OWN, "capabilities", "add", to=["SYS_ADMIN"]), "SYS_ADMIN"),
        (set_at(*OWN, "procMount", to="Unmasked"), "procMount"),
        (drop(*CONTAINER, "resources"), "resources.limits.memory"),
        *(
            (set_at(*CONTAINER, *hook, action, "host", to="metadata"), f"{'.'.join(hook)}.{action}.host")
            for hook in HOOKS
            for action in ("httpGet", "tcpSocket")
        ),
        (
            set_at(*POD[:2], "metadata", "annotations", f"{APP_ARMOR}/main", to="no"),
            "apparmor",
        ),
    ],
)
def test_a_pod_that_may_do_more_is_refused(whole: Stack, edit: Edit, said: str) -> None:
    stack = edited(whole, DEPLOYMENT, WORKER, edit)
    assert broken(stack) == {(RULE, WORKER)}
    assert said in " ".join(messages(stack))


@pytest.mark.parametrize(
    "edit",
    [
        *(
            set_at(*SHARED, "seLinuxOptions", to={"type": type_})
            for type_ in ("container_engine_t", "container_init_t", "container_kvm_t", "container_t")
        ),
        *(set_at(*OWN, "appArmorProfile", to={"type": type_}) for type_ in ("RuntimeDefault", "Localhost")),
        set_at(*SHARED, "sysctls", to=[{"name": "net.ipv4.tcp_keepalive_time", "value": "60"}]),
        set_at(*OWN, "capabilities", "add", to=["NET_BIND_SERVICE"]),
        set_at(*OWN, "procMount", to="Default"),
        *(
            set_at(*POD[:2], "metadata", "annotations", f"{APP_ARMOR}/main", to=profile)
            for profile in ("runtime/default", "localhost/ours")
        ),
        *(
            set_at(*POD, "volumes", to=[{"name": "x", source: {}}])
            for source in ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim")
        ),
        *(set_at(*POD, "volumes", to=[{"name": "x", source: {}}]) for source in ("projected", "secret")),
        set_at(*POD, "volumes", to=[{"name": "x", "image": {"reference": DIGEST}}]),
    ],
)
def test_what_restricted_lets_a_pod_do_is_left_alone(whole: Stack, edit: Edit) -> None:
    assert broken(edited(whole, DEPLOYMENT, WORKER, edit)) == set()


def test_a_pod_that_may_be_root_is_refused_whatever_its_containers_say(whole: Stack) -> None:
    stack = edited(whole, DEPLOYMENT, WORKER, set_at(*OWN, "runAsNonRoot", to=True))
    assert broken(edited(stack, DEPLOYMENT, WORKER, set_at(*SHARED, "runAsNonRoot", to=False))) == {(RULE, WORKER)}


@pytest.mark.parametrize("kind", ["initContainers", "ephemeralContainers"])
def test_no_container_is_forgotten(whole: Stack, kind: str) -> None:
    edit = set_at(*POD, kind, to=[{"name": "more", "image": DIGEST}])
    assert broken(edited(whole, DEPLOYMENT, WORKER, edit)) == {(RULE, WORKER)}


@pytest.mark.parametrize(
    ("type_", "path"),
    [
        ("kubernetes:batch/v1:Job", ("spec", "template", "spec")),
        ("kubernetes:batch/v1:CronJob", ("spec", "jobTemplate", "spec", "template", "spec")),
        ("kubernetes:apps/v1:StatefulSet", ("spec", "template", "spec")),
        ("kubernetes:keda.sh/v1alpha1:ScaledJob", ("spec", "jobTargetRef", "template", "spec")),
        ("kubernetes:core/v1:Pod", ("spec",)),
    ],
)
def test_every_kind_that_makes_pods_is_looked_at(whole: Stack, type_: str, path: tuple[str, ...]) -> None:
    (worker,) = (one for one in whole if (one.type, one.name) == (DEPLOYMENT, WORKER))
    pod = copy.deepcopy(worker.inputs["spec"]["template"]["spec"])
    pod["containers"][0]["command"] = ["python", "-m", "workers.relay"]
    stack = edited((*whole, cluster.thing(type_, "more", spec={})), type_, "more", set_at(*path, to=pod))
    assert broken(stack) == set()
    assert broken(edited(stack, type_, "more", set_at(*path, "hostPID", to=True))) == {(RULE, "more")}


def test_what_a_container_says_for_itself_is_enough(whole: Stack) -> None:
    edit = set_at(*SHARED, to={})
    stack = edited(whole, DEPLOYMENT, WORKER, edit)
    assert broken(stack) == {(RULE, WORKER)}
    own = edited(stack, DEPLOYMENT, WORKER, set_at(*OWN, "runAsNonRoot", to=True))
    assert broken(edited(own, DEPLOYMENT, WORKER, set_at(*OWN, "seccompProfile", to={"type": "Localhost"}))) == set()
