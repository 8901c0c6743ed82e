"""`alexnet reproduce` as a user runs it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from cli.conftest import Alexnet


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of striped noise, 40x40, with both splits."""
    root, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for split, count in (("train", 44), ("val", 11)):
        for number in range(3):
            home = root / split / f"class {number}"
            home.mkdir(parents=True)
            for place in range(count):
                stripes = 60 * np.sin(np.arange(40) * (number + 1))[:, None, None]
                picture = np.clip(128 + stripes + rng.normal(0, 30, (40, 40, 3)), 0, 255)
                Image.fromarray(picture.astype(np.uint8)).save(home / f"{place}.png")
    return root


def test_arithmetic_needs_no_pictures(alexnet: Alexnet, tmp_path: Path) -> None:
    answer = alexnet("reproduce", "arithmetic", "-o", tmp_path, "--json")
    (document,) = json.loads(answer.out)
    assert document["verdict"] == "holds"
    assert document["details"]["paper"] == {"params": 60965224, "macs": 724406816, "units": 659272}
    assert document["details"]["half_tower"]["params"] == 59798312
    assert json.loads((tmp_path / "arithmetic" / "result.json").read_text()) == document
    assert ElementTree.parse(tmp_path / "arithmetic" / "plot.svg").getroot().tag.endswith("svg")


def test_claims_are_listed(alexnet: Alexnet) -> None:
    rows = json.loads(alexnet("reproduce", "--list", "--json").out)
    assert {row["claim"] for row in rows} == {
        "relu", "lrn", "overlap", "towers", "augment", "dropout", "views", "depth", "decay", "init", "retrieval",
        "parallel", "arithmetic",
    }  # fmt: skip
    assert next(row for row in rows if row["claim"] == "depth")["trainings"] == 15


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("overlp",), "Did you mean overlap?"),
        (("overlap",), "--tiny"),
        ((), "--list"),
        (("relu", "--budget", "huge"), "full, smoke"),
    ],
)
def test_what_is_missing_is_said(alexnet: Alexnet, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    answer = alexnet("reproduce", *arguments, "-o", tmp_path / "out")
    assert answer.code == 2
    assert said in answer.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize(("visible", "said"), [("0,0", "names a GPU twice"), ("", "torch sees no GPU")])
def test_a_full_run_without_a_gpu_is_refused_at_once(
    alexnet: Alexnet, tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, visible: str, said: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    answer = alexnet("reproduce", "overlap", "--tiny", pictures, "-o", tmp_path / "out")
    assert (answer.code, (tmp_path / "out").exists()) == (2, False)
    assert said in answer.err


def test_a_smoke_run_says_that_it_is_one_and_is_not_made_twice(
    alexnet: Alexnet, tmp_path: Path, pictures: Path
) -> None:
    names = ("views", "retrieval", "init")
    flags = ("--budget", "smoke", "--tiny", pictures, "-o", tmp_path, "--device", "cpu", "--json")
    first = alexnet("reproduce", *names, *flags)
    documents = json.loads(first.out)
    assert [each["claim"] for each in documents] == list(names)
    assert {each["verdict"] for each in documents} == {"smoke run"}
    assert first.err.count("seed 0") == 4  # the base, and biases of 1, 0 and 0.1
    assert (tmp_path / "init" / "curves.svg").exists()
    with Image.open(tmp_path / "retrieval" / "neighbours.jpg") as drawing:
        assert drawing.format == "JPEG"
    again = alexnet("reproduce", *names, *flags)
    assert "seed 0" not in again.err
    assert [each["comparisons"] for each in json.loads(again.out)] == [each["comparisons"] for each in documents]
