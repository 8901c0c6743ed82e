import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet.data.plan import Format
from alexnet.data.prepare import prepare
from alexnet.errors import DataError, RunError, RunExists, UsageError
from alexnet.inference.classifier import load
from alexnet.inference.evaluate import evaluate
from alexnet.train.material import open_material
from alexnet.train.metrics import COLUMNS, read_metrics
from alexnet.train.reporter import Silent
from alexnet.train.run import Run
from alexnet.train.train import train

SETTINGS: dict[str, Any] = {"lineage": "tiny", "epochs": 2, "batch_size": 8, "val_fraction": 0.25, "log_steps": 2}


class Listener(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []
        self.rows: list[Mapping[str, object]] = []
        self.tasks: dict[str, tuple[int, int]] = {}

    def say(self, message: str) -> None:
        self.said.append(message)

    def warn(self, message: str) -> None:
        self.warned.append(message)

    def epoch(self, row: Mapping[str, object]) -> None:
        self.rows.append(row)

    def progress(self, task: str, done: int, total: int, note: str = "") -> None:
        self.tasks[task] = (done, total)


@pytest.fixture(scope="module")
def run(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(textures, tmp_path_factory.mktemp("run") / "run", **SETTINGS)


def test_a_small_network_learns_textures(textures: Path, tmp_path: Path) -> None:
    found = train(textures, tmp_path / "run", lineage="tiny", epochs=30, batch_size=8, val_fraction=0.25)
    assert found.evaluation.top1_error <= 0.25  # chance is 0.67


def test_the_log_and_the_prompt_give_the_same_figures(run: Run, textures: Path) -> None:
    material = open_material(textures, run.folder, 0.25, 0, 80, "short")
    found = evaluate(load(run.folder), material.val)
    best = min(
        (row for row in run.metrics if row["event"] == "epoch"), key=lambda row: (row["top1_error"], row["val_loss"])
    )
    assert found.top1_error == best["top1_error"] == run.evaluation.top1_error
    assert found.loss == best["val_loss"]


def test_the_run_folder_holds_what_it_promises(run: Run) -> None:
    names = {path.name for path in run.folder.iterdir()}
    promised = {
        "run.toml",
        "env.json",
        "splits.csv",
        "metrics.jsonl",
        "metrics.csv",
        "checkpoints",
        "best",
        "report.html",
    }
    assert promised <= names
    assert {path.name for path in run.best.iterdir()} == {"model.safetensors", "config.json", "README.md"}


def test_both_logs_hold_the_same_rows(run: Run) -> None:
    rows = read_metrics(run.folder)
    with (run.folder / "metrics.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert len(rows) == len(cells) == 5 + 2  # a row for every second of 10 steps, and for each epoch
    assert set(COLUMNS) == set(cells[0])
    for row, line in zip(rows, cells, strict=True):
        assert {key: str(value) for key, value in row.items() if value is not None} == {
            k: v for k, v in line.items() if v
        }


def test_the_card_says_how_the_weights_were_made(run: Run) -> None:
    config = json.loads((run.best / "config.json").read_text())
    assert config["provenance"]["recipe"] == "modern"
    assert config["provenance"]["top1_error"] == run.evaluation.top1_error


def test_the_reporter_hears_of_every_epoch_and_all_pictures(textures: Path, tmp_path: Path) -> None:
    listener = Listener()
    train(textures, tmp_path / "run", reporter=listener, **SETTINGS)
    assert [row["epoch"] for row in listener.rows] == [1, 2]
    assert listener.tasks["train, epoch 2 of 2"] == (36, 36)
    assert listener.tasks["validation"] == (12, 12)
    assert "36 training and 12 validation pictures of 3 classes" in listener.said[0]


def test_a_second_run_in_the_same_folder_is_refused(run: Run, textures: Path) -> None:
    with pytest.raises(RunExists):
        train(textures, run.folder, **SETTINGS)


def test_a_loss_that_stays_at_chance_is_said_once(textures: Path, tmp_path: Path) -> None:
    listener = Listener()
    train(textures, tmp_path / "run", reporter=listener, **{**SETTINGS, "epochs": 45, "lr": 1e-8, "views": 1})
    assert len(listener.warned) == 1
    assert "ln 3 = 1.099" in listener.warned[0]


def test_a_loss_without_bound_ends_the_run_with_advice(textures: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"The loss is (nan|inf) .* Start again with a lower rate"):
        train(textures, tmp_path / "run", **{**SETTINGS, "lr": 1e6, "epochs": 9})


def test_a_few_unreadable_pictures_are_passed_over_and_named(textures: Path, tmp_path: Path) -> None:
    data, listener = tmp_path / "data", Listener()
    shutil.copytree(textures, data)
    for name in ("stripes0", "stripes1"):
        for number in range(2):
            (data / name / f"{number:03}.png").write_text("not a picture")
    found = train(data, tmp_path / "run", reporter=listener, **SETTINGS)
    assert sum(row["event"] == "epoch" for row in found.metrics) == 2
    (warning,) = listener.warned
    assert "could not be read" in warning
    assert "stripes0/000.png" in warning


def test_a_folder_of_bad_pictures_is_refused(textures: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(30):
            (tmp_path / "data" / name / f"{number}.png").write_text("not a picture")
    with pytest.raises(DataError):
        train(tmp_path / "data", tmp_path / "run", **SETTINGS)


@pytest.mark.parametrize("kind", ["jpeg", "raw"])
def test_a_prepared_set_brings_its_own_statistics(kind: Format, textures: Path, tmp_path: Path) -> None:
    prepare(textures, tmp_path / "data", format=kind, size=80, val_fraction=0.25, workers=1)
    found = train(tmp_path / "data", tmp_path / "run", **SETTINGS)
    card = json.loads((tmp_path / "data" / "dataset.json").read_text())
    np.testing.assert_allclose(load(found.best).preprocessing.mean, card["mean"])


def test_input_has_a_spread_of_one_unless_the_lineage_says_otherwise(run: Run, textures: Path, tmp_path: Path) -> None:
    spread = load(run.best).preprocessing.std
    variance = np.diag(json.loads((run.folder / "statistics.json").read_text())["covariance"])
    np.testing.assert_allclose(spread, np.sqrt(variance))
    paper = train(textures, tmp_path / "run", **{**SETTINGS, "recipe": "paper", "epochs": 1})
    assert load(paper.best).preprocessing.std == (1.0, 1.0, 1.0)


def test_a_mistake_in_a_setting_is_said_before_anything_is_written(textures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean `epochs`"):
        train(textures, tmp_path / "run", epoch=3)
    assert not (tmp_path / "run").exists()


def test_a_missing_folder_can_be_corrected_with_the_same_output(textures: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        train(tmp_path / "nowhere", tmp_path / "run", **SETTINGS)
    assert train(textures, tmp_path / "run", **SETTINGS).best.is_dir()


def test_switches_of_the_network_are_kept_with_the_weights(textures: Path, tmp_path: Path) -> None:
    found = train(textures, tmp_path / "run", **{**SETTINGS, "epochs": 1, "norm": False, "activation": "tanh"})
    changes = dict(load(found.best).lineage.changes)
    assert (changes["norm"], changes["activation"]) == (False, "tanh")


def test_a_network_that_learnt_from_small_pictures_is_shown_nothing_sharper(textures: Path, tmp_path: Path) -> None:
    prepare(textures, tmp_path / "small", format="raw", size=40, val_fraction=0.25)
    run = train(tmp_path / "small", tmp_path / "run", **{**SETTINGS, "epochs": 1})
    assert load(run.best).preprocessing.detail == 40
