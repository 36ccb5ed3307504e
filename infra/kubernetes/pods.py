"""The pods of a program: closed as Pod Security's "restricted" asks, and asked whether they do their work."""

import math

from millrace.derived import PROBE_FAILURES, PROBE_SECONDS, START_SECONDS
from pulumi_kubernetes.core.v1 import (
    CapabilitiesArgs,
    ContainerArgs,
    ContainerPortArgs,
    EmptyDirVolumeSourceArgs,
    EnvVarArgs,
    EnvVarSourceArgs,
    HTTPGetActionArgs,
    KeyToPathArgs,
    PodSecurityContextArgs,
    PodSpecArgs,
    ProbeArgs,
    ResourceRequirementsArgs,
    SeccompProfileArgs,
    SecretKeySelectorArgs,
    SecretVolumeSourceArgs,
    SecurityContextArgs,
    TCPSocketActionArgs,
    VolumeArgs,
    VolumeMountArgs,
)

from infra.kubernetes.program import Program
from infra.kubernetes.settings import KubernetesSettings

#: The image's own user; given here too, for the kubelet takes no name as proof that it is not root.
USER = 10_001
#: A process whose loop is busy answers late, but answers.
ANSWER_SECONDS = 5
#: Metrics of a worker's processes lie in it; nothing else is written.
TEMPORARY, TEMPORARY_SIZE = "/tmp", "64Mi"  # noqa: S108 (of the pod's own)
CERTIFICATES, CERTIFICATE = "/etc/millrace", "ca.crt"


def pod_spec(program: Program, settings: KubernetesSettings) -> PodSpecArgs:
    """A program's pod; `restartPolicy` and where it may run are its owner's to say."""
    private = settings.broker.certificate
    volumes = [VolumeArgs(name="tmp", empty_dir=EmptyDirVolumeSourceArgs(size_limit=TEMPORARY_SIZE))]
    if private:
        volumes.append(VolumeArgs(name="certificates", secret=_certificate(private)))
    return PodSpecArgs(
        service_account_name=program.name,
        automount_service_account_token=False,
        enable_service_links=False,
        termination_grace_period_seconds=math.ceil(program.grace),
        security_context=PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            seccomp_profile=SeccompProfileArgs(type="RuntimeDefault"),
        ),
        containers=[_container(program, settings)],
        volumes=volumes,
    )


def _container(program: Program, settings: KubernetesSettings) -> ContainerArgs:
    mounts = [VolumeMountArgs(name="tmp", mount_path=TEMPORARY)]
    if settings.broker.certificate:
        mounts.append(VolumeMountArgs(name="certificates", mount_path=CERTIFICATES, read_only=True))
    memory = f"{program.memory}Mi"
    return ContainerArgs(
        name=program.name,
        image=settings.image,
        command=list(program.command),
        env=_environment(program, settings),
        ports=[ContainerPortArgs(name="probes", container_port=program.port)] if program.port else None,
        resources=ResourceRequirementsArgs(
            requests={"cpu": f"{program.cpu}m", "memory": memory}, limits={"memory": memory}
        ),
        security_context=SecurityContextArgs(
            allow_privilege_escalation=False,
            capabilities=CapabilitiesArgs(drop=["ALL"]),
            privileged=False,
            read_only_root_filesystem=True,
        ),
        startup_probe=_probe(program, "/live", failures=math.ceil(START_SECONDS / PROBE_SECONDS)),
        liveness_probe=_probe(program, "/live", failures=PROBE_FAILURES),
        readiness_probe=_probe(program, "/ready", failures=1),
        volume_mounts=mounts,
    )


def _environment(program: Program, settings: KubernetesSettings) -> list[EnvVarArgs]:
    plain = {"TMPDIR": TEMPORARY, **program.environment}
    if settings.broker.certificate:
        plain["SSL_CERT_FILE"] = f"{CERTIFICATES}/{CERTIFICATE}"
    return [
        *(EnvVarArgs(name=name, value=value) for name, value in sorted(plain.items())),
        *(EnvVarArgs(name=name, value_from=_of_secret(program.name, name)) for name in sorted(program.secrets)),
    ]


def _of_secret(secret: str, key: str) -> EnvVarSourceArgs:
    return EnvVarSourceArgs(secret_key_ref=SecretKeySelectorArgs(name=secret, key=key))


def _certificate(secret: str) -> SecretVolumeSourceArgs:
    """The authority only: the broker's key may lie beside it."""
    return SecretVolumeSourceArgs(secret_name=secret, items=[KeyToPathArgs(key=CERTIFICATE, path=CERTIFICATE)])


def _probe(program: Program, path: str, *, failures: int) -> ProbeArgs | None:
    if program.port is None:
        return None
    return ProbeArgs(
        http_get=HTTPGetActionArgs(path=path, port=program.port) if program.answers else None,
        tcp_socket=None if program.answers else TCPSocketActionArgs(port=program.port),
        period_seconds=round(PROBE_SECONDS),
        timeout_seconds=ANSWER_SECONDS,
        failure_threshold=failures,
    )
