"""A worker that takes many messages ahead: those wait in its hand while it works on one."""

import sys
from unittest.mock import patch

from workers.__main__ import main

if __name__ == "__main__":
    with patch("workers.app.prefetch_multiplier", return_value=50):  # ours is one event for each process
        sys.exit(main(sys.argv[1:]))
