"""Pod Security "restricted", and what we ask for besides: a read-only file system, no token, a bound on memory.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, as of 1.36; a host's network and ports
are for nothing-public.
"""

from collections.abc import Iterator, Mapping, Sequence

from infra.guardrails.pods import Values, containers, items, part, template
from infra.guardrails.rule import Declared, Finding, Limits, Rule

VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
PROFILES = ("RuntimeDefault", "Localhost")
SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
SE_LINUX = ("", "container_engine_t", "container_init_t", "container_kvm_t", "container_t")
HOOKS = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop")
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"


def _check(resources: Sequence[Declared], _limits: Limits) -> Iterator[Finding]:
    for resource in resources:
        if (pod := template(resource)) is not None:
            spec = part(pod, "spec")
            yield from ((resource, message) for message in (*_pod(spec), *_annotations(pod)))
            for container in containers(spec):
                which = f"container {container.get('name')!r}"
                yield from ((resource, f"{which}: {message}") for message in _container(container, spec))


def _pod(spec: Values) -> Iterator[str]:
    for key in ("hostPID", "hostIPC"):
        if spec.get(key):
            yield f"{key} must be left out"
    if spec.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken must be false: a worker has no business with the API server"
    security = part(spec, "securityContext")
    yield from _context(security)
    for sysctl in items(security, "sysctls"):
        if sysctl.get("name") not in SYSCTLS:
            yield f"sysctl {sysctl.get('name')!r} must be left out: it is not one of the safe ones"
    for volume in items(spec, "volumes"):
        for source in volume.keys() - VOLUMES - {"name"}:
            yield f"volume {volume.get('name')!r} must be one of {', '.join(sorted(VOLUMES))}, got {source}"


def _annotations(pod: Values) -> Iterator[str]:
    for key, value in part(pod, "metadata", "annotations").items():
        if key.startswith(APP_ARMOR) and not str(value).startswith(("runtime/default", "localhost/")):
            yield f"annotation {key} must be left out, got {value!r}"


def _container(container: Values, spec: Values) -> Iterator[str]:
    own, shared = part(container, "securityContext"), part(spec, "securityContext")
    yield from _context(own)
    yield from _own(own)
    if not own.get("runAsNonRoot", shared.get("runAsNonRoot")):
        yield "securityContext.runAsNonRoot must be true, here or for the pod"
    if not (part(own, "seccompProfile") or part(shared, "seccompProfile")):
        yield f"securityContext.seccompProfile.type must be {' or '.join(PROFILES)}, here or for the pod"
    if not part(container, "resources", "limits").get("memory"):
        yield "resources.limits.memory must be given: without it one pod takes its node's"
    for hook in HOOKS:
        for action in ("httpGet", "tcpSocket"):
            if part(container, *hook.split("."), action).get("host"):
                yield f"{hook}.{action}.host must be left out: it is the pod itself"


def _own(security: Values) -> Iterator[str]:
    """What only a container says."""
    if security.get("privileged"):
        yield "securityContext.privileged must be left out"
    if security.get("allowPrivilegeEscalation") is not False:
        yield "securityContext.allowPrivilegeEscalation must be false"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "securityContext.readOnlyRootFilesystem must be true; what is written goes to an emptyDir"
    capabilities = part(security, "capabilities")
    if "ALL" not in (capabilities.get("drop") or ()):
        yield 'securityContext.capabilities.drop must be ["ALL"]'
    if added := set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
        yield f"securityContext.capabilities.add must be left out, got {', '.join(sorted(added))}"
    if security.get("procMount", "Default") != "Default":
        yield "securityContext.procMount must be left out"


def _context(security: Values) -> Iterator[str]:
    """What a pod and each of its containers may say."""
    if security.get("runAsNonRoot") is False:
        yield "securityContext.runAsNonRoot must be true"
    if security.get("runAsUser") == 0:
        yield "securityContext.runAsUser must not be 0"
    for profile in ("seccompProfile", "appArmorProfile"):
        given = security.get(profile)
        if isinstance(given, Mapping) and given.get("type") not in PROFILES:
            yield f"securityContext.{profile}.type must be {' or '.join(PROFILES)}, got {given.get('type')!r}"
    options = part(security, "seLinuxOptions")
    if options.get("user") or options.get("role") or options.get("type", "") not in SE_LINUX:
        yield "securityContext.seLinuxOptions must be left out"
    if part(security, "windowsOptions").get("hostProcess"):
        yield "securityContext.windowsOptions.hostProcess must be left out"


POD_SECURITY = Rule(
    name="pod-security",
    description='Pods are as Pod Security "restricted" wants them, read-only, without token and bound in memory.',
    check=_check,
    alone=True,
)
