"""`alexnet train` and `alexnet finetune`: flags, plans, results, and every mistake a user can make."""

import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from alexnet.cli.recipe import given
from alexnet.train.recipe import Recipe

Alexnet = Callable[..., Any]
QUICK = ("--lineage", "tiny", "--epochs", 1, "--batch-size", 8)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", ["train", "finetune"])
def test_the_flags_are_the_fields_of_the_recipe(alexnet: Alexnet, command: str) -> None:
    text = alexnet(command, "--help").out

    for field in fields(Recipe):
        flag = f"--{field.name.replace('_', '-')} "
        assert (flag in text.replace("\n", " \n")) == (command in field.metadata["commands"])


def test_lists_may_be_separated_by_commas() -> None:
    assert given({"skip": ["fc8,fc7", "fc6"], "lr": None}) == {"skip": ("fc8", "fc7", "fc6")}


def test_train_then_finetune_then_predict(alexnet: Alexnet, pictures: Path, tmp_path: Path) -> None:
    document = alexnet("train", pictures, "-o", tmp_path / "run", *QUICK, "--json").document
    tuned = alexnet("finetune", pictures, "-o", tmp_path / "tuned", "--weights", tmp_path / "run", "--epochs", 2)
    guess = alexnet("predict", pictures / "red" / "0.png", "--weights", tmp_path / "tuned", "--json").document

    assert document["best"] == str(tmp_path / "run" / "best")
    assert len(document["epochs"]) == 1
    assert {"images", "top1_error", "per_class", "confusion"} <= set(document)
    assert tuned.code == 0
    assert f"Best weights: {tmp_path / 'tuned' / 'best'}" in tuned.out
    assert "alexnet predict" in tuned.out
    assert "mistaken for" in tuned.out
    assert len(guess[0]["top"]) == 3


def test_the_settings_of_a_run_repeat_it(alexnet: Alexnet, pictures: Path, tmp_path: Path) -> None:
    alexnet("train", pictures, "-o", tmp_path / "one", *QUICK, "--seed", 7)

    again = alexnet("train", "--config", tmp_path / "one" / "run.toml", "-o", tmp_path / "two")

    one, two = (tomllib.loads((tmp_path / name / "run.toml").read_text()) for name in ("one", "two"))
    assert again.code == 0
    assert one == two
    assert one["seed"] == 7


def test_the_environment_sets_a_flag_of_the_recipe(alexnet: Alexnet, pictures: Path) -> None:
    plan = alexnet("train", pictures, *QUICK[:2], "--dry-run", "--json", env={"ALEXNET_EPOCHS": "3"}).document

    assert plan["epochs"] == 3


def test_a_dry_run_of_training_counts_and_writes_nothing(alexnet: Alexnet, pictures: Path, tmp_path: Path) -> None:
    flags = ("--lineage", "tiny", "--epochs", 5, "--batch-size", 4, "--val-fraction", 0.34)

    plan = alexnet("train", pictures, "-o", tmp_path / "run", *flags, "--dry-run", "--json").document

    assert (plan["classes"], plan["train_images"], plan["val_images"]) == (3, 12, 6)
    assert plan["steps"] == 5 * 3
    assert plan["params"] == plan["trained_params"] == 50_410 - 7 * 65  # ten classes of 64 features and a bias become 3
    assert not (tmp_path / "run").exists()


def test_a_dry_run_of_fine_tuning_counts_the_trained_layers(alexnet: Alexnet, pictures: Path, trained: Path) -> None:
    (pictures / "red").rename(pictures / "violet")

    head = alexnet("finetune", pictures, "--weights", trained, "--freeze", "fc7", "--dry-run", "--json").document
    text = alexnet("finetune", pictures, "--weights", trained, "--dry-run").out

    assert head["trained_params"] == 3 * 65
    assert "Nothing was done" in text


def test_an_unreadable_picture_is_named_and_training_goes_on(alexnet: Alexnet, pictures: Path, tmp_path: Path) -> None:
    (pictures / "red" / "broken.png").write_bytes((pictures / "red" / "0.png").read_bytes()[:900])

    answer = alexnet("train", pictures, "-o", tmp_path / "run", *QUICK)

    assert answer.code == 0
    assert "broken.png" in answer.err + answer.out


def test_mistakes_in_the_data_are_one_message_and_leave_no_run(
    alexnet: Alexnet, pictures: Path, trained: Path, tmp_path: Path
) -> None:
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    (pictures / "blue").rename(lonely / "blue")
    (pictures / "empty").mkdir()
    expected = {
        tmp_path / "none": "no such file or folder",
        lonely: "one class only, 'blue'",
        pictures: "no pictures in the class folders empty",
    }
    for source, words in expected.items():
        for command in (("train", source, *QUICK), ("finetune", source, "--weights", trained)):
            answer = alexnet(*command, "-o", tmp_path / "run", "--json")

            assert (answer.code, answer.out) == (2, "")
            assert words in answer.err
            assert not (tmp_path / "run" / "run.toml").exists()


def test_a_run_is_not_overwritten(alexnet: Alexnet, pictures: Path, trained: Path) -> None:
    before = snapshot(trained)

    answer = alexnet("train", pictures, "-o", trained, *QUICK)

    assert answer.code == 2
    assert "--resume" in answer.err
    assert snapshot(trained) == before


def test_an_output_that_cannot_be_written_is_a_mistake(alexnet: Alexnet, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    answer = alexnet("train", pictures, "-o", tmp_path / "file" / "run", *QUICK)

    assert answer.code == 2
    assert "cannot be written" in answer.err
    assert (tmp_path / "file").read_text() == "in the way"


def test_an_unknown_layer_lineage_or_value_is_named(alexnet: Alexnet, pictures: Path, trained: Path) -> None:
    layer = alexnet("finetune", pictures, "--weights", trained, "--skip", "fc9", "--dry-run")
    lineage = alexnet("train", pictures, "--lineage", "alexnet", "--dry-run")
    value = alexnet("train", pictures, "--schedule", "cosin", "--dry-run")

    assert (layer.code, lineage.code, value.code) == (2, 2, 2)
    assert "fc9" in layer.err
    assert "there is no lineage 'alexnet'" in lineage.err
    assert "Did you mean `cosine`?" in value.err


def test_no_weights_to_start_from_is_a_mistake(alexnet: Alexnet, pictures: Path) -> None:
    answer = alexnet("finetune", pictures, "--weights", "nowhere", "--dry-run")

    assert answer.code == 2
    assert "nowhere" in answer.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_run_that_can_be_resumed(
    pictures: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    run = tmp_path / "run"
    words = ["train", pictures, "-o", run, "--lineage", "tiny", "--epochs", "2000", "--batch-size", "4"]
    command = [sys.executable, "-m", "alexnet", *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"RANK": "0"})
    deadline = time.monotonic() + 90
    while not (run / "best").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    out, error = process.communicate(timeout=60)

    assert process.returncode == code
    assert out == b""
    assert b"--resume" in error
    assert b"Traceback" not in error
    assert any((run / "checkpoints").iterdir())
