"""Benchmarks of several processes measure every scheme, and count what is sent."""

import json
import os

import pytest

from alexnet.cli.bench import train_together
from alexnet.errors import UsageError
from alexnet.lineages import find, totals, trace
from parallel.processes import torchrun


def test_every_scheme_has_figures_and_sends_what_it_should() -> None:
    command = ["-m", "alexnet", "bench", "train", "--parallel", "--lineage", "tiny", "--batch-size", "8"]
    process = torchrun(2, *command, "--seconds", "0", "--device", "cpu", "--json")
    said, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    figures = {each["who"]: each for each in json.loads(said)["figures"]}
    assert {"ddp", "ddp, sharded optimizer", "hybrid a", "hybrid c", "towers", "torch DDP"} <= set(figures)
    assert all(each["error"] is None and each["images_per_s"] > 0 for each in figures.values())
    numbers = totals(trace(find("tiny"))).params
    assert figures["ddp"]["sent_mb"] == pytest.approx(4 * numbers / 1e6, abs=0.001)  # 2 (N-1)/N times, N = 2
    assert figures["hybrid a"]["sent_mb"] < figures["ddp"]["sent_mb"]


def test_one_process_is_told_how_to_start_more() -> None:
    assert "RANK" not in os.environ
    with pytest.raises(UsageError, match="torchrun --nproc-per-node 2"):
        train_together("tiny", 8, False, 0.0, "cpu", False)
