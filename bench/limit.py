"""The limit: a client in C (rabbitmq-c), compiled when it is measured."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bench.contenders import PROCESSES, QUEUE, Contender, raw
from bench.crew import ROOT
from bench.draining import drain
from bench.servers import Servers
from bench.spread import Figures
from operations.local.rabbitmq_install import can_install, install_packages

SOURCE = ROOT / "bench" / "peers" / "limit.c"
HEADER = Path("/usr/include/amqp.h")
EVENTS = 100_000


def limit(servers: Servers) -> Figures:
    """Drain with it; RuntimeError if it cannot be compiled here."""
    return drain(servers, _contender(servers, _compile(servers.directory / "limit")))


def _compile(target: Path) -> Path:
    if not target.exists():
        if not HEADER.exists() and can_install():
            install_packages(["gcc", "libc6-dev", "librabbitmq-dev"])
        compiler = shutil.which("cc")
        if compiler is None:
            raise RuntimeError("a C compiler (cc) must be on PATH, got none")
        command = [compiler, "-O2", "-o", str(target), str(SOURCE), "-lrabbitmq"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - argv is ours
        if done.returncode != 0:
            raise RuntimeError(f"a C compiler and librabbitmq-dev must be there: {done.stderr[-500:]}")
    return target


def _contender(servers: Servers, path: Path) -> Contender:
    url = urlsplit(servers.broker.amqp_url(servers.peers))
    login = (unquote(url.username or ""), unquote(url.password or ""))
    where = (url.hostname or "", str(url.port), *login, unquote(url.path[1:]), QUEUE)
    return replace(raw("limit", "", 0, EVENTS), commands=[(str(path), *where)] * PROCESSES)
