"""`python -m tests.servers_needed`: install the servers that tests run against, where that is possible."""

from __future__ import annotations

import shutil
import sys

from operations.faults.postgres import find_postgres
from operations.local.errors import LocalError
from operations.local.rabbitmq_install import can_install, find_server, install_packages, services_stay_stopped
from tests.redis_server import find_redis


def main() -> int:
    """Install what is missing with apt-get as root; elsewhere say that tests will be skipped."""
    wanted = {
        "rabbitmq-server": find_server() is None,
        "postgresql": find_postgres() is None,
        "redis-server": find_redis() is None,
        "npm": shutil.which("npm") is None,  # for the guide's producer, which is written for Node
    }
    missing = [package for package, absent in wanted.items() if absent]
    if not missing:
        return 0
    if not can_install():
        print(f"not here, and not to be installed without root and apt-get: {', '.join(missing)}; tests are skipped")
        return 0
    print(f"installing {', '.join(missing)} for the tests", flush=True)
    try:
        with services_stay_stopped():
            install_packages(missing)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
