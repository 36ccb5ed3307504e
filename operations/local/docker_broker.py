"""RabbitMQ as a container, where the machine has a working Docker."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess

from operations.local.ports import LOOPBACK
from operations.local.process_spec import ProcessSpec
from operations.local.rabbitmq_node import ADMIN, Node

IMAGE = "rabbitmq:4-management"


def docker_works(seconds: float = 10.0) -> bool:
    """Whether there is a Docker whose daemon answers within the time (seconds)."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=seconds)  # noqa: S607
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def docker_processes(node: Node) -> tuple[ProcessSpec, ...]:
    """The container as a process of the fleet; its data lies in a volume of its own."""
    name = container(node)
    run = ["docker", "run", "--rm", "--name", name, "--hostname", "millrace"]
    run += ["-p", f"{LOOPBACK}:{node.ports.amqp}:5672", "-p", f"{LOOPBACK}:{node.ports.management}:15672"]
    # Without a value Docker takes it from the environment: the password is on no command line.
    run += ["-e", "RABBITMQ_DEFAULT_USER", "-e", "RABBITMQ_DEFAULT_PASS", "-v", f"{name}:/var/lib/rabbitmq", IMAGE]
    # A killed client leaves its container running, with the name and the ports taken.
    script = f"docker rm -f {shlex.quote(name)} >/dev/null 2>&1; exec {shlex.join(run)}"
    return (
        ProcessSpec(
            name="broker",
            argv=("/bin/sh", "-c", script),
            cwd=str(node.directory),
            env={"RABBITMQ_DEFAULT_USER": ADMIN, "RABBITMQ_DEFAULT_PASS": node.password},
            stop_rank=90,
            grace=30.0,
        ),
    )


def container(node: Node) -> str:
    """The name of the container and of its volume: one per directory."""
    return f"millrace-{hashlib.sha256(str(node.directory.resolve()).encode()).hexdigest()[:12]}"
