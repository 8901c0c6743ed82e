"""One thread per test process: pytest-xdist already uses every core."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
