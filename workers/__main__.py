"""`python -m workers GROUP`: one Celery worker of a group."""

import logging
import socket
import sys
import uuid

from workers.metrics_folder import share_metrics

if __name__ == "__main__":  # before prometheus_client is imported
    share_metrics()

import billiard.pool
from celery import Celery
from millrace import names
from millrace.errors import BrokerUnreachable

from workers import garbage
from workers.agreement import Disagreement, require_agreement
from workers.app import make_worker_app
from workers.environment import SettingsError
from workers.handling import HandlerMissing
from workers.liveness import PULSE
from workers.logs import configure_logs
from workers.metrics import serve_processes
from workers.runtime import Runtime
from workers.settings import from_environment

#: sysexits.h: the configuration is wrong, trying again does not help by itself.
EX_CONFIG = 78
EX_USAGE = 64
#: The broker is out: trying again helps.
EX_TEMPFAIL = 75


def main(arguments: list[str]) -> int:
    """Check the topology and run until SIGTERM.

    78 means that settings, handlers or topology are wrong, 75 that the broker is out, 70 that it did not consume.
    """
    configure_logs()
    if len(arguments) != 1:
        print("usage: python -m workers GROUP", file=sys.stderr)
        return EX_USAGE
    try:
        runtime = Runtime.of(from_environment(), arguments[0])
        app = make_worker_app(runtime)
        runtime.require_inbox()
        require_agreement(runtime)
    except (SettingsError, HandlerMissing, Disagreement) as error:
        print(f"worker of {arguments[0]} does not start: {error}", file=sys.stderr)
        return EX_CONFIG
    except BrokerUnreachable as error:
        print(f"worker of {arguments[0]} does not start: {error}", file=sys.stderr)
        return EX_TEMPFAIL
    except KeyError:
        print(f"the catalog has no group {arguments[0]!r}", file=sys.stderr)
        return EX_CONFIG
    serve_processes(runtime.settings, PULSE)
    return run(app, runtime)


def run(app: Celery, runtime: Runtime) -> int:
    """Run the worker until SIGTERM; gives its exit code."""
    # A stopping child waits up to 30 s for its parent to read its last result, while the parent may be waiting for the
    # child: 2 s are enough. The event of an unread result is redelivered and absorbed.
    billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 20
    worker = app.Worker(
        hostname=names.node_name(runtime.group.name, uuid.uuid4().hex[:8], socket.gethostname()),
        pool_cls="prefork",
        concurrency=runtime.processes,
        loglevel=logging.INFO,
        task_events=True,
        without_gossip=True,
        without_mingle=True,
    )
    garbage.settle()
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
