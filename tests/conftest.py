"""One thread per test process, for pytest-xdist already uses every core; and nobody's cache has a part in the tests."""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")
if "ALEXNET_HOME" not in os.environ:  # the first process's is all processes'
    os.environ["ALEXNET_HOME"] = tempfile.mkdtemp(prefix="alexnet-tests-")
    atexit.register(shutil.rmtree, os.environ["ALEXNET_HOME"], ignore_errors=True)
