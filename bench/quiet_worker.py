"""A worker whose lane tells Flower nothing, to see what telling costs: `python -m bench.quiet_worker GROUP`.

It is no setting of Millrace's, where Flower shows everything.
"""

import atexit
import os
import shutil
import sys
import tempfile

if __name__ == "__main__":  # as in workers.__main__: before prometheus_client is imported
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="millrace-metrics-"))
    atexit.register(shutil.rmtree, os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)

    from workers.__main__ import main
    from workers.lane import telling

    telling._show = lambda *_: None
    sys.exit(main(sys.argv[1:]))
