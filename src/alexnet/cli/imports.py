"""Importing torch, faster."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Keep the garbage collector from walking through all that is imported, again and again, and once more at the end.

    What modules make stays until the process ends. Measured on two cores of an AMD EPYC, processor time of a process
    that imports torch and ends: 1.63 s, and 1.08 s this way.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
