"""Imports run without the garbage collector, which works again afterwards."""

import gc
import os
import subprocess
import sys

from alexnet.cli.imports import importing


def test_the_collector_rests_while_torch_is_imported_and_works_afterwards() -> None:
    code = """
import gc
from alexnet.cli.imports import importing
with importing():
    import torch
    assert not gc.isenabled()
assert gc.isenabled()
assert gc.get_freeze_count() > 100_000, gc.get_freeze_count()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_once_torch_is_there_nothing_changes() -> None:
    import torch  # noqa: F401

    frozen = gc.get_freeze_count()
    with importing():
        assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_predict_imports_nothing_that_it_does_not_need() -> None:
    code = """
import sys
import alexnet.cli.predict, alexnet.inference
wanted = {"torchmetrics", "jinja2", "matplotlib", "onnx", "onnxruntime", "captum", "typer.rich_utils"}
assert not wanted & set(sys.modules), wanted & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_threads_sleep_soon_unless_the_user_says_otherwise() -> None:
    code = """
import os
from alexnet.cli.imports import settle_threads
settle_threads()
print(os.environ.get("GOMP_SPINCOUNT"))
"""

    def spins(**environment: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code], env={**clean, **environment}, check=True, capture_output=True, text=True
        ).stdout.strip()

    clean = {key: value for key, value in os.environ.items() if not key.startswith(("GOMP_", "OMP_"))}
    assert spins() == "500"
    assert spins(GOMP_SPINCOUNT="7") == "7"
    assert spins(OMP_WAIT_POLICY="ACTIVE") == "None"
