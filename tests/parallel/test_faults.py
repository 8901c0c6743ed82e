"""Ranks that fail, ranks that are killed, and signals: one message, and nothing lost but time."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from alexnet.train.metrics import read_metrics
from alexnet.train.train import train
from alexnet.weights.checkpoint import latest
from parallel.processes import torchrun

SETTINGS: dict[str, Any] = {"lineage": "tiny", "epochs": 20, "batch_size": 8, "val_fraction": 0.25, "device": "cpu"}
FLAGS = [part for name, value in SETTINGS.items() for part in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture(scope="module")
def whole(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(textures, tmp_path_factory.mktemp("whole") / "run", **SETTINGS).folder


def assert_close(run: Path, other: Path) -> None:
    first, second = (load_file(latest(folder) / "model.safetensors") for folder in (run, other))  # type: ignore[operator]
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-5)


def rank_of(process: Path) -> str | None:
    try:
        variables = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    return next((value[5:].decode() for value in variables if value.startswith(b"RANK=")), None)


def kill_rank(rank: int, parent: subprocess.Popen[str]) -> None:
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    (found,) = [int(child) for child in children if rank_of(Path("/proc", child)) == str(rank)]
    os.kill(found, signal.SIGKILL)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def test_a_killed_rank_is_started_again_and_the_run_ends_as_if_it_was_not(
    whole: Path, textures: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = ["-m", "alexnet", "train", str(textures), "-o", str(run), *FLAGS, "--checkpoint-steps", "5", "--json"]
    process = torchrun(2, *command, restarts=3)
    wait_for(run / "checkpoints" / "step-10" / "state.json", process)
    kill_rank(1, process)
    said, told = process.communicate(timeout=240)
    assert process.returncode == 0, told
    assert told.count("has ended without a word") == 1
    assert told.count("Going on from step") == 1
    assert_close(run, whole)
    steps = [row["step"] for row in read_metrics(run) if row["event"] == "epoch"]
    assert steps == [row["step"] for row in read_metrics(whole) if row["event"] == "epoch"]
    assert json.loads(said)["images"] == 12


@pytest.mark.parametrize(("kind", "text"), [("mistake", "Error: the disk is full"), ("bug", "ZeroDivisionError")])
def test_a_failing_rank_ends_all_and_speaks_alone(kind: str, text: str) -> None:
    process = torchrun(3, str(Path(__file__).with_name("failing.py")), kind)
    _, told = process.communicate(timeout=240)
    assert process.returncode != 0
    ours = told.split("torch/distributed/")[0]  # torchrun's own account comes after
    assert ours.count(text) == 1
    assert ours.count("Error: ") == 1
    assert ("in main" in ours) == (kind == "bug")


def test_a_mistake_that_all_ranks_make_is_said_once(textures: Path, tmp_path: Path) -> None:
    process = torchrun(2, "-m", "alexnet", "train", str(textures), "-o", str(tmp_path / "run"), "--epoch", "3")
    _, told = process.communicate(timeout=240)
    assert told.count("No such option") == 1


def test_sigterm_leaves_one_checkpoint_that_one_process_goes_on_from(
    whole: Path, textures: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = ["-m", "alexnet", "train", str(textures), "-o", str(run), *FLAGS, "--checkpoint-steps", "10"]
    process = torchrun(2, *command)
    wait_for(run / "checkpoints" / "step-10" / "state.json", process)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=240)
    if "Stopped by SIGTERM" not in told:  # on a fast machine it may be through before
        assert process.returncode == 0
    train(textures, run, resume=True)
    assert_close(run, whole)


def test_finetune_says_that_it_works_in_one_process(textures: Path, tmp_path: Path) -> None:
    process = torchrun(2, "-m", "alexnet", "finetune", str(textures), "-o", str(tmp_path / "run"))
    _, told = process.communicate(timeout=240)
    assert told.count("works in one") == 1
