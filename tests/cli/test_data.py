"""`alexnet data inspect` and `alexnet prepare`."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Alexnet = Callable[..., Any]


def test_inspect_counts_and_names_what_is_wrong(alexnet: Alexnet, pictures: Path) -> None:
    (pictures / "red" / "broken.jpg").write_bytes(b"no picture")
    shutil.copy(pictures / "red" / "0.png", pictures / "blue" / "same.png")

    document = alexnet("data", "inspect", pictures, "--json").document
    text = alexnet("data", "inspect", pictures).out

    assert document["pictures"] == 20
    assert [each["name"] for each in document["unreadable"]] == ["red/broken.jpg"]
    assert [each["is_conflict"] for each in document["duplicates"]] == [True]
    assert "red/broken.jpg" in text
    assert "blue/same.png = red/0.png, of different classes" in text


def test_prepare_makes_a_set_that_training_takes(alexnet: Alexnet, pictures: Path, tmp_path: Path) -> None:
    made = alexnet("prepare", pictures, tmp_path / "set", "--size", 80, "--val-fraction", 0.2, "--json").document
    again = alexnet("prepare", pictures, tmp_path / "set", "--size", 80, "--val-fraction", 0.2, "--json").document
    plan = alexnet("train", tmp_path / "set", "--lineage", "tiny", "--dry-run", "--json").document

    assert made["counts"] == {"train": [5, 5, 5], "val": [1, 1, 1]}
    assert (made["made"], again["made"]) == (2, 0)
    assert (plan["train_images"], plan["val_images"]) == (15, 3)


def test_a_dry_run_writes_nothing(alexnet: Alexnet, pictures: Path, tmp_path: Path) -> None:
    answer = alexnet("prepare", pictures, tmp_path / "set", "--dry-run")

    assert "to make" in answer.out
    assert not (tmp_path / "set").exists()


def test_prepare_needs_no_torch(pictures: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from alexnet.cli.app import app\n"
        "try: app(sys.argv[1:])\nexcept SystemExit as end: assert end.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    for words in (("prepare", pictures, tmp_path / "set"), ("data", "inspect", pictures)):
        subprocess.run([sys.executable, "-c", script, *map(str, words)], check=True, capture_output=True)


def test_mistakes_in_the_data_are_one_message(alexnet: Alexnet, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "loose").mkdir()
    shutil.copy(pictures / "red" / "0.png", tmp_path / "loose")
    (pictures / "empty").mkdir()
    expected = {
        tmp_path / "none": "no such file or folder",
        tmp_path / "loose": "no class folders",
        pictures: "no pictures in the class folders empty",
    }
    for source, words in expected.items():
        for command in (("data", "inspect", source), ("prepare", source, tmp_path / "set")):
            answer = alexnet(*command, "--json")

            assert (answer.code, answer.out) == (2, "")
            assert words in answer.err
            assert answer.err.count("\n") == 1


def test_a_destination_that_cannot_be_written_is_a_mistake(alexnet: Alexnet, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    answer = alexnet("prepare", pictures, tmp_path / "file" / "set")

    assert answer.code == 2
    assert str(tmp_path / "file") in answer.err
    assert (tmp_path / "file").read_text() == "in the way"


def test_json_of_inspect_is_one_document(alexnet: Alexnet, pictures: Path) -> None:
    assert set(json.loads(alexnet("data", "inspect", pictures, "--json").out)) >= {
        "pictures", "classes", "unreadable", "duplicates", "turned", "width", "height",
    }  # fmt: skip
