"""The folder in which a worker's processes share their metrics.

It must be named before prometheus_client is imported, so nothing in here may import it.
"""

import atexit
import os
import shutil
import tempfile


def share_metrics() -> None:
    """Make the folder, unless one is named already; it goes with this process."""
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="millrace-metrics-"))
    atexit.register(shutil.rmtree, os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
