"""Runs that are stopped anywhere end with bitwise the same weights as one that was not."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from alexnet.data.plan import Format
from alexnet.data.prepare import prepare
from alexnet.errors import Interrupted, Stopped, Terminated
from alexnet.train.metrics import read_metrics
from alexnet.train.reporter import Silent
from alexnet.train.run import Run
from alexnet.train.train import train
from alexnet.weights.checkpoint import latest

SETTINGS: dict[str, Any] = {"lineage": "tiny", "epochs": 3, "batch_size": 8, "val_fraction": 0.25, "log_steps": 3}


class StopAt(Silent):
    """Sends this process a signal after a number of steps, or in the middle of a validation."""

    def __init__(self, steps: int, number: signal.Signals = signal.SIGTERM, task: str = "train") -> None:
        self.left, self.number, self.task = steps, number, task

    def progress(self, task: str, done: int, total: int, note: str = "") -> None:
        if task.startswith(self.task):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), self.number)


def last_weights(run: Path) -> Mapping[str, torch.Tensor]:
    folder = latest(run)
    assert folder is not None
    return load_file(folder / "model.safetensors")


def best_weights(run: Path) -> Mapping[str, torch.Tensor]:
    return load_file(run / "best" / "model.safetensors")


def assert_same(run: Path, other: Path) -> None:
    for first, second in ((last_weights(run), last_weights(other)), (best_weights(run), best_weights(other))):
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


def figures(run: Path) -> list[dict[str, object]]:
    """The rows of metrics.jsonl without what a clock says."""
    return [{key: row[key] for key in row if key not in ("seconds", "images_per_s")} for row in read_metrics(run)]


@pytest.fixture(scope="module")
def whole(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(textures, tmp_path_factory.mktemp("whole") / "run", **SETTINGS)


@pytest.mark.parametrize("steps", [1, 4, 5, 7, 15])
def test_a_run_stopped_at_any_step_ends_as_if_it_was_not(
    steps: int, whole: Run, textures: Path, tmp_path: Path
) -> None:
    with pytest.raises(Terminated):
        train(textures, tmp_path / "run", reporter=StopAt(steps), **SETTINGS)
    train(textures, tmp_path / "run", resume=True, **SETTINGS)
    assert_same(tmp_path / "run", whole.folder)
    assert figures(tmp_path / "run") == figures(whole.folder)


def test_a_run_stopped_during_validation_validates_again(whole: Run, textures: Path, tmp_path: Path) -> None:
    with pytest.raises(Terminated):
        train(textures, tmp_path / "run", reporter=StopAt(1, task="validation"), **SETTINGS)
    train(textures, tmp_path / "run", resume=True)
    assert_same(tmp_path / "run", whole.folder)
    assert figures(tmp_path / "run") == figures(whole.folder)


def test_the_paper_recipe_resumes_too(textures: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {**SETTINGS, "recipe": "paper", "patience": 1}
    train(textures, tmp_path / "whole", **settings)
    with pytest.raises(Terminated):
        train(textures, tmp_path / "run", reporter=StopAt(8), **settings)
    train(textures, tmp_path / "run", resume=True)
    assert_same(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("kind", ["jpeg", "raw"])
def test_prepared_sets_resume_with_another_number_of_workers(kind: Format, textures: Path, tmp_path: Path) -> None:
    data = tmp_path / "prepared"
    prepare(textures, data, format=kind, size=80, val_fraction=0.25, seed=0, workers=1)
    train(data, tmp_path / "whole", workers=1, **SETTINGS)
    with pytest.raises(Terminated):
        train(data, tmp_path / "run", workers=3, reporter=StopAt(7), **SETTINGS)
    train(data, tmp_path / "run", resume=True, workers=2)
    assert_same(tmp_path / "run", tmp_path / "whole")


def test_the_number_of_workers_changes_nothing(whole: Run, textures: Path, tmp_path: Path) -> None:
    train(textures, tmp_path / "run", workers=5, **SETTINGS)
    assert_same(tmp_path / "run", whole.folder)


def test_another_seed_is_another_run(whole: Run, textures: Path, tmp_path: Path) -> None:
    run = train(textures, tmp_path / "run", seed=1, **SETTINGS)
    assert not torch.equal(last_weights(run.folder)["fc8.weight"], last_weights(whole.folder)["fc8.weight"])


@pytest.mark.parametrize(
    ("number", "error", "exit_code"), [(signal.SIGTERM, Terminated, 75), (signal.SIGINT, Interrupted, 130)]
)
def test_a_signal_leaves_a_checkpoint_and_the_command_to_go_on(
    number: signal.Signals, error: type[Stopped], exit_code: int, textures: Path, tmp_path: Path
) -> None:
    before = signal.getsignal(number)
    with pytest.raises(error, match=f"alexnet train {textures} -o {tmp_path}/run --resume") as caught:
        train(textures, tmp_path / "run", reporter=StopAt(4, number), **SETTINGS)
    assert caught.value.exit_code == exit_code
    assert latest(tmp_path / "run") == tmp_path / "run" / "checkpoints" / "step-4"
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_does_not_wait(textures: Path, tmp_path: Path) -> None:
    class Impatient(Silent):
        def progress(self, task: str, done: int, total: int, note: str = "") -> None:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(textures, tmp_path / "run", reporter=Impatient(), **SETTINGS)


def test_a_finished_run_is_finished(whole: Run, textures: Path) -> None:
    again = train(textures, whole.folder, resume=True)
    assert again.evaluation == whole.evaluation


def test_a_run_killed_ten_times_ends_as_if_it_was_not(textures: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {**SETTINGS, "epochs": 25, "checkpoint_steps": 7}
    whole = train(textures, tmp_path / "whole", **settings)
    context = multiprocessing.get_context("forkserver")  # it imports torch once, for all that it starts
    context.set_forkserver_preload(["alexnet.train.train", "torchmetrics.classification", "torch._dynamo"])
    chance = random.Random(0)
    for _ in range(10):
        process = context.Process(target=train, args=(textures, tmp_path / "run"), kwargs={"resume": True, **settings})
        process.start()
        while process.is_alive() and not (tmp_path / "run" / "run.toml").exists():
            time.sleep(0.01)
        process.join(timeout=chance.uniform(0, 0.4))
        process.kill()
        process.join()
        assert process.exitcode in (-signal.SIGKILL, 0)  # 0: on a fast machine the last may come too late
    run = train(textures, tmp_path / "run", resume=True, **settings)
    assert_same(run.folder, whole.folder)
    assert figures(run.folder) == figures(whole.folder)
