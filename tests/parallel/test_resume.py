"""One checkpoint for all schemes: a run that changes them and the number of processes ends as one that did not."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from alexnet.errors import Terminated
from alexnet.inference.evaluate import Evaluation
from alexnet.parallel import pulse
from alexnet.parallel.team import Team
from alexnet.train.metrics import read_metrics
from alexnet.train.reporter import Silent
from alexnet.train.train import train
from alexnet.weights.checkpoint import latest
from parallel.processes import together
from train.test_resume import StopAt

SETTINGS: dict[str, Any] = {"lineage": "tiny", "epochs": 4, "batch_size": 10, "val_fraction": 0.25, "log_steps": 3}
STOPS: list[tuple[int, int, dict[str, Any]]] = [  # steps until the stop, processes, how they share
    (2, 1, {}),
    (3, 2, {"parallel": "towers"}),
    (3, 4, {"parallel": "hybrid", "turns": "c"}),
    (2, 2, {"parallel": "ddp", "shard_optimizer": True}),
    (1, 3, {"parallel": "ddp", "shard_optimizer": False}),
]


def part_of_run(team: Team, data: Path, folder: Path, steps: int, how: dict[str, Any]) -> Evaluation | None:
    pulse.SECONDS = 0.0  # ask at every step
    try:
        return train(
            data, folder, resume=True, reporter=StopAt(steps) if steps else Silent(), **SETTINGS, **how
        ).evaluation
    except Terminated:
        return None


def test_a_run_that_moves_from_scheme_to_scheme(textures: Path, tmp_path: Path) -> None:
    whole = train(textures, tmp_path / "whole", **SETTINGS)
    for steps, size, how in STOPS:
        assert together(size, part_of_run, textures, tmp_path / "run", steps, how) == [None] * size
    last = together(2, part_of_run, textures, tmp_path / "run", 0, {"parallel": "ddp"})
    for found in last:
        assert found.images == whole.evaluation.images
        assert found.confusion == whole.evaluation.confusion
    first, second = (latest(folder) for folder in (tmp_path / "run", tmp_path / "whole"))
    assert first is not None and second is not None and first.name == second.name
    for file in ("model.safetensors", "optimizer.safetensors"):
        one, other = load_file(first / file), load_file(second / file)
        assert one.keys() == other.keys()
        for name in one:
            torch.testing.assert_close(one[name], other[name], rtol=1e-4, atol=1e-6)
    rows, expected = read_metrics(tmp_path / "run"), read_metrics(tmp_path / "whole")
    assert [row["step"] for row in rows] == [row["step"] for row in expected]
    for row, wanted in zip(rows, expected, strict=True):
        assert abs(row["train_loss"] - wanted["train_loss"]) < 1e-5
