"""The kernels compile for a GPU where there is none: the interpreter accepts more than the compiler does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
KERNELS = {"forward", "backward", "add_rows", "rectify", "rectify_backward", "cross_entropy", "update"}


def test_every_kernel_of_a_step_compiles_for_hopper() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("compiling.py")), "bvlc"],
        env={**environment, "TRITON_DEFAULT_FP_FUSION": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} >= KERNELS
