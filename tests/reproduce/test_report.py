"""What a claim leaves behind, where trainings failed too."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet.inference.machine import machine
from alexnet.reproduce import CLAIMS, FULL, reproduce
from alexnet.reproduce.alike import NEAREST, neighbours_of
from alexnet.reproduce.report import write_result
from alexnet.reproduce.tiny_trial import LOST, MEMORY, passing_folder, run_tiny
from alexnet.reproduce.trial import Trial, as_json

PAGE = Path(__file__).parents[2] / "benchmarks/reproduce_table.py"
OF_IMAGENET = [
    "overlap", "towers", "augment", "dropout", "views", "depth", "decay", "init", "retrieval",
]  # fmt: skip


def strict(text: str) -> Any:
    """JSON as the standard has it: no NaN, no Infinity."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


@pytest.mark.parametrize("name", OF_IMAGENET)
def test_a_claim_whose_trainings_were_all_lost_does_not_hold(name: str, tmp_path: Path) -> None:
    claim = CLAIMS[name]
    wanted = claim.plan(FULL)
    lost = {trial.key: {**LOST, "failed": "the loss is nan", "seconds": 1.0, "machine": machine()} for trial in wanted}
    document = write_result(claim, FULL, wanted, lost, tmp_path)
    assert document == strict((tmp_path / "result.json").read_text())
    assert document["verdict"] == "does not hold here"
    assert len(document["lost"]) == len(wanted)


def test_a_training_whose_loss_grows_beyond_all_numbers_is_lost(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for place in range(20):
        home = tmp_path / "pictures" / ("train" if place < 16 else "val") / str(place % 2)
        home.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(256, size=(32, 32, 3), dtype=np.uint8)).save(home / f"{place}.png")
    settings = {"lineage": "tiny", "epochs": 20, "batch_size": 8, "lr": 1e9, "clip": 0.0, "warmup_epochs": 0.0}
    trial = Trial("tiny", "wild", 0, tuple(settings.items()), is_examined=True)
    found = run_tiny(trial, tmp_path / "pictures", tmp_path / "run", "cpu")
    assert "loss is" in found["failed"]
    assert LOST.items() <= found.items()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("is_in_memory", [False, True])
def test_a_passing_folder_leaves_nothing_whatever_happens(tmp_path: Path, is_in_memory: bool) -> None:
    if is_in_memory and not MEMORY.is_dir():
        pytest.skip("this system keeps no files in memory")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "half").touch()  # of a process that was killed
    seen: list[Path] = []

    def work(room: int) -> None:
        with passing_folder(folder, room) as home:
            seen.append(home)
            home.mkdir()  # was not there
            (home / "weights").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work(room=0 if is_in_memory else 2**62)  # nobody has so much
    (home,) = seen
    assert home.is_relative_to(MEMORY if is_in_memory else folder)
    assert not home.exists()
    if is_in_memory:
        assert not home.parent.exists()


def test_racers_that_do_not_arrive_show_nothing(tmp_path: Path) -> None:
    wanted = CLAIMS["relu"].plan(FULL)
    late: dict[str, Any] = {
        "epochs_to_goal": None,
        "training_error": 0.9,
        "curve": [],
        "seconds": 1.0,
        "machine": machine(),
    }
    document = write_result(CLAIMS["relu"], FULL, wanted, {trial.key: late for trial in wanted}, tmp_path)
    assert document["verdict"] == "does not hold here"
    assert document["details"]["epochs_to_goal"]["relu"] == [None] * FULL.seeds


def test_figures_that_are_no_numbers_are_null() -> None:
    document = {"a": float("nan"), "b": [1.0, float("-inf")], "c": {"d": (float("inf"), "text", None, 3)}}
    assert strict(as_json(document)) == {"a": None, "b": [1.0, None], "c": {"d": [None, "text", None, 3]}}


def test_neighbours_are_the_nearest_others() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 7)).astype(np.float32)
    rows[9] = rows[3]  # equally far from all, and from each other not at all
    distances = np.linalg.norm(rows.astype(np.float64) - rows[3], axis=1)
    expected = [place for place in np.argsort(distances, kind="stable") if place != 3][:NEAREST]
    found = neighbours_of(torch.from_numpy(rows), 3)
    assert [place for place, _ in found] == expected
    np.testing.assert_allclose([far for _, far in found], distances[expected], atol=1e-6)


def test_the_page_shows_what_was_run_and_says_what_was_not(tmp_path: Path) -> None:
    reproduce(["arithmetic"], tmp_path / "reproduced", data={})
    page = tmp_path / "page.md"
    subprocess.run([sys.executable, PAGE, tmp_path / "reproduced", page], check=True, capture_output=True)
    text = page.read_text()
    assert "| 60 | 60.97 | millions | holds |" in text
    assert text.count("not run") == len(CLAIMS) - 1
    assert "(claims/arithmetic-plot.svg)" in text
    assert (tmp_path / "claims/arithmetic-plot.svg").exists()
