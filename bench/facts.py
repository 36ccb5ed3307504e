"""On what a run was made: the machine and the versions."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.contenders import PEER_PYTHON
from bench.servers import Servers

PEERS = (
    "aio-pika",
    "amqp",
    "celery",
    "celery-batches",
    "dbos",
    "dramatiq",
    "faststream",
    "kombu",
    "pika",
    "procrastinate",
    "psycopg",
    "redis",
    "taskiq",
    "taskiq-aio-pika",
)
_ASK = "import sys; from importlib.metadata import version; print(*[version(name) for name in sys.argv[1:]])"


def machine() -> dict[str, str]:
    """Processor, memory, system."""
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return {
        "processor": models[0].partition(":")[2].strip() if models else platform.processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.system(),
    }


def versions(servers: Servers) -> dict[str, str]:
    """Python and the servers."""
    with servers.broker.management() as api:
        overview = api.get("/api/overview").raise_for_status().json()
    with servers.database() as database:
        row = database.execute("select current_setting('server_version')").fetchone()
    return {
        "python": platform.python_version(),
        "rabbitmq": str(overview["rabbitmq_version"]),
        "erlang": str(overview["erlang_version"]),
        "postgresql": str(row[0]).partition(" ")[0] if row else "",
        "sqlalchemy": version("sqlalchemy"),
    }


def peers() -> dict[str, str]:
    """The peers, which have an environment of their own."""
    told = subprocess.run([PEER_PYTHON, "-c", _ASK, *PEERS], check=True, capture_output=True, text=True)  # noqa: S603
    return dict(zip(PEERS, told.stdout.split(), strict=True))
