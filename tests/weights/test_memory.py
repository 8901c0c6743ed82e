"""The most that loading holds, measured in a process of its own by the benchmark that `docs/log.md` quotes."""

import subprocess
import sys
from pathlib import Path

import pytest

from alexnet.weights.export import write_weights
from oracles.narrow_nets import lively, weights_of

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "load_weights.py"
SLACK = 64 * 2**20


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the peak")
@pytest.mark.parametrize("suffix", [".safetensors", ".caffemodel", ".npy", ".onnx", ".pth"])
def test_loading_holds_the_file_one_copy_of_the_tensors_and_64_mb_at_most(suffix: str, tmp_path: Path) -> None:
    weights = weights_of(lively("bvlc"))
    path = tmp_path / f"net{suffix}"
    write_weights(weights, path)
    command = [sys.executable, str(BENCHMARK), "--peak", str(path), "bvlc"]
    peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    tensors = sum(tensor.nbytes for tensor in weights.tensors.values())
    assert peak <= path.stat().st_size + tensors + SLACK
