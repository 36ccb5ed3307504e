"""LocalStack on this machine: AWS's SNS, SQS and DynamoDB for the dev stack, in an environment of its own."""

from __future__ import annotations

import shlex
from pathlib import Path

import httpx

from operations.local.layout import REPOSITORY, Layout
from operations.local.ports import LOOPBACK
from operations.local.process_spec import ProcessSpec

NAME = "localstack"
#: The guide's account; to LocalStack, an access key id of 12 digits is the account.
ACCOUNT = "123456789012"
REGION = "us-east-1"
DEFAULT_PORT = 4566
#: Services that are loaded at start, so that the first request does not wait for them.
EAGER = "sns,sqs,dynamodb,iam,logs,cloudwatch,sts"


def endpoint(port: int) -> str:
    """Where LocalStack answers."""
    return f"http://{LOOPBACK}:{port}"


def answers(url: str) -> bool:
    """Whether LocalStack is there and has begun to answer."""
    try:
        return httpx.get(f"{url}/_localstack/health", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def credentials(account: str = ACCOUNT) -> dict[str, str]:
    """What makes an AWS client, of any language, LocalStack's with this account; no secret."""
    return {"AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}


def program() -> Path:
    """The Python of LocalStack's own environment, which `make` makes."""
    return REPOSITORY / ".venv-localstack" / "bin" / "python"


def why_not() -> str | None:
    """Why LocalStack cannot be started here, None if it can."""
    if program().exists():
        return None
    return "LocalStack's environment must be installed, got none: `make .venv-localstack/.localstack` makes it"


def localstack_spec(layout: Layout, port: int) -> ProcessSpec:
    """The process; it keeps nothing beyond its end."""
    directory = layout.root / NAME
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = {
        "LOCALSTACK_VOLUME_DIR": str(directory.resolve()),
        "GATEWAY_LISTEN": f"{LOOPBACK}:{port}",
        "EAGER_SERVICE_LOADING": "1",
        "SERVICES": EAGER,
        "STRICT_SERVICE_LOADING": "0",
        "DNS_ADDRESS": "0",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "PYTHONUNBUFFERED": "1",
    }
    argv = (str(program()), str(REPOSITORY / "localstack" / "serve.py"))
    return ProcessSpec(name=NAME, argv=argv, cwd=str(directory.resolve()), env=environment, grace=10.0, stop_rank=20)


def compose_spec(layout: Layout, port: int) -> ProcessSpec:
    """The same in a container, where there is a Docker and no environment of LocalStack's own."""
    directory = layout.root / NAME
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    compose = ("docker", "compose", "--file", str(REPOSITORY / "localstack" / "compose.yaml"))
    # A killed client leaves its container running, with the port taken.
    down, up = shlex.join([*compose, "down"]), shlex.join([*compose, "up", "--abort-on-container-exit"])
    script = f"{down} >/dev/null 2>&1; exec {up}"
    return ProcessSpec(
        name=NAME,
        argv=("/bin/sh", "-c", script),
        cwd=str(directory.resolve()),
        env={"MILLRACE_LOCALSTACK_PORT": str(port)},
        grace=20.0,
        stop_rank=20,
    )
