"""The demo, shortened: the same steps on fewer pictures."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alexnet.cli import tour

Alexnet = Callable[..., Any]


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour, "TRAIN_PATCHES", 4)
    monkeypatch.setattr(tour, "VAL_PATCHES", 2)
    monkeypatch.setattr(tour, "EPOCHS", {"epochs": 2, "head_epochs": 1})


def test_it_can_be_run_once_more_in_the_same_folder(alexnet: Alexnet, trained: Path, tmp_path: Path) -> None:
    first = alexnet("demo", "-o", tmp_path / "demo", "--weights", trained, "--json")
    second = alexnet("demo", "-o", tmp_path / "demo", "--weights", trained)

    page = (tmp_path / "demo" / "report.html").read_text()
    assert (first.code, second.code) == (0, 0)
    assert first.document["report"] == str(tmp_path / "demo" / "report.html")
    assert len(first.document["predictions"]) == 7
    assert first.document["evaluation"]["views"] == 10
    for part in ("Predictions", "Where it looks", "Learning curve", "Kernels", "Confusion"):
        assert part in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "alexnet finetune YOUR_FOLDER" in second.out


def test_it_starts_from_the_packaged_network_and_shows_the_photos(alexnet: Alexnet, tmp_path: Path) -> None:
    answer = alexnet("demo", "-o", tmp_path / "demo")

    page = (tmp_path / "demo" / "report.html").read_text()
    assert answer.code == 0
    assert "Fine-tuning tiny200" in answer.err
    assert "rocket.jpg" in page and "espresso" in page and "Egyptian cat" in page


def test_an_output_that_cannot_be_written_is_a_mistake(alexnet: Alexnet, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    answer = alexnet("demo", "-o", tmp_path / "file" / "demo")

    assert answer.code == 2
    assert "cannot be written" in answer.err


def test_a_run_of_someone_else_is_not_removed(alexnet: Alexnet, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "demo" / "run")

    answer = alexnet("demo", "-o", tmp_path / "demo")

    assert answer.code == 2
    assert "holds a run already" in answer.err
    assert (tmp_path / "demo" / "run" / "best" / "model.safetensors").exists()
