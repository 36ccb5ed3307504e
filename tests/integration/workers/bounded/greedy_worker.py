"""A worker that takes many messages ahead: those wait in its hand while it works on one."""

import sys

from workers import app
from workers.__main__ import main

if __name__ == "__main__":
    app.BASE["worker_prefetch_multiplier"] = 50
    sys.exit(main(sys.argv[1:]))
