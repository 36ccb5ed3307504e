"""`python -m tests.integration.workers.impatient_relay`: the relay with time limits that a test can wait for."""

import os
import sys

from millrace import derived

derived.RELAY_LEASE_SECONDS = float(os.environ.get("TEST_LEASE", derived.RELAY_LEASE_SECONDS))
derived.RELAY_WINDOW_SECONDS = derived.RELAY_LEASE_SECONDS / 3
derived.RELAY_STUCK_SECONDS = float(os.environ.get("TEST_STUCK", derived.RELAY_STUCK_SECONDS))

if __name__ == "__main__":
    from workers.relay import run
    from workers.service import run_service

    sys.exit(run_service("relay", run))
