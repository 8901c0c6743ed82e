"""The allocator's settings are taken where there is glibc."""

import platform
import resource
import subprocess
import sys

import pytest

PROBE = """
import resource, sys, torch
from alexnet.train.heap import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(20):
    torch.ones(2**24)  # 64 MB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", PROBE, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has these settings")
def test_a_freed_block_is_used_again_without_new_page_faults() -> None:
    pages = 20 * 2**26 // resource.getpagesize()
    assert faults("plain") - faults("keep") > pages / 2
