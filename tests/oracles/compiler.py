"""Whether this machine can compile C, asked of the system alone."""

import shutil
import sys


def has_compiler() -> bool:
    return sys.platform == "linux" and any(shutil.which(name) for name in ("cc", "gcc", "clang"))
