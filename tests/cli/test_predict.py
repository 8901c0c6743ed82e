"""`alexnet predict` as people and programs call it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alexnet.model import AlexNet

Alexnet = Callable[..., Any]


def test_json_has_the_fields_of_the_contract(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    image = pictures / "red" / "0.png"

    (prediction,) = alexnet("predict", image, "--weights", trained, "--json").document

    assert prediction["image"] == str(image)
    assert set(prediction) == {"image", "top"}
    assert all(set(guess) == {"index", "label", "prob"} for guess in prediction["top"])
    assert {guess["label"] for guess in prediction["top"]} == {"blue", "green", "red"}
    assert abs(sum(guess["prob"] for guess in prediction["top"]) - 1) < 1e-5


def test_files_folders_and_globs_come_in_order(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    sources = (pictures / "red" / "3.png", pictures / "blue", str(pictures / "green" / "[01].png"))

    found = [each["image"] for each in alexnet("predict", *sources, "--weights", trained, "--json").document]

    names = ["red/3", *(f"blue/{i}" for i in range(6)), "green/0", "green/1"]
    assert found == [str(pictures / f"{name}.png") for name in names]


def test_a_picture_can_come_from_stdin(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    file = pictures / "red" / "0.png"
    arguments = ("--weights", trained, "--json")

    piped, read = (alexnet("predict", name, *arguments, stdin=file.read_bytes()).document[0] for name in ("-", file))

    assert piped == read | {"image": "-"}


def test_class_names_can_come_from_a_python_file(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    image, classes = pictures / "red" / "0.png", pictures.parent / "caffe_classes.py"
    classes.write_text("class_names = '''tench, Tinca tinca\ngoldfish\ngreat white shark'''.split('\\n')\n")

    (prediction,) = alexnet("predict", image, "--weights", trained, "--classes", classes, "--json").document

    assert {guess["label"] for guess in prediction["top"]} == {"tench, Tinca tinca", "goldfish", "great white shark"}


def test_people_get_a_bar_for_each_guess(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    image = pictures / "red" / "0.png"

    lines = alexnet("predict", image, "--weights", trained, "--top", 2, "--views", 10).out.splitlines()

    assert lines[0] == str(image)
    assert len(lines) == 3
    assert all("%" in line and "█" in line for line in lines[1:])


def test_a_truncated_picture_is_named_and_the_others_are_predicted(
    alexnet: Alexnet, trained: Path, pictures: Path
) -> None:
    whole = pictures / "red" / "0.png"
    broken = pictures / "red" / "broken.png"
    broken.write_bytes(whole.read_bytes()[:900])

    answer = alexnet("predict", broken, whole, "--weights", trained, "--json")

    assert answer.code == 0
    assert [each["image"] for each in answer.document] == [str(whole)]
    assert f"Skipped {broken}: " in answer.err


def test_nothing_readable_is_a_mistake(alexnet: Alexnet, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    for source in (tmp_path / "none.jpg", tmp_path / "empty", tmp_path / "*.jpg"):
        answer = alexnet("predict", source, "--weights", trained, "--json")

        assert answer.code == 2
        assert str(source) in answer.err
        assert answer.out == ""


def test_weights_that_are_not_there_are_named(alexnet: Alexnet, pictures: Path) -> None:
    answer = alexnet("predict", pictures, "--weights", "runs/none")

    assert answer.code == 2
    assert "runs/none" in answer.err


def test_impossible_views_and_devices_are_refused(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    views = alexnet("predict", pictures, "--weights", trained, "--views", 5)
    device = alexnet("predict", pictures, "--weights", trained, "--device", "tpu")

    assert (views.code, device.code) == (2, 2)
    assert "views is 5" in views.err
    assert "no device 'tpu'" in device.err


def test_long_streams_are_one_json_array(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    answer = alexnet("predict", *[pictures] * 5, "--weights", trained, "--json", "--batch-size", 7)

    assert len(json.loads(answer.out)) == 5 * 18


def test_a_mean_goes_with_weights_that_have_none(alexnet: Alexnet, pictures: Path, tmp_path: Path) -> None:
    """Foreign weights without a mean: another mean is another answer; our own files have theirs."""
    model = AlexNet("tiny", num_classes=3, generator=torch.Generator().manual_seed(0))
    torch.save(model.state_dict(), tmp_path / "net.pth")
    image = pictures / "red" / "0.png"

    def probs(*mean: str) -> list[float]:
        answer = alexnet("predict", image, "--weights", tmp_path / "net.pth", *mean, "--json")
        return sorted(guess["prob"] for guess in answer.document[0]["top"])

    assert probs("--mean", "0,0,0") != probs("--mean", "200,50,40") != probs()
    np.save(tmp_path / "mean.npy", np.full((3, 80, 80), 90.0))
    assert probs("--mean", str(tmp_path / "mean.npy")) == probs("--mean", "90,90,90")


def test_a_mean_for_weights_that_have_one_is_a_mistake(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    for command in (("predict", pictures / "red" / "0.png"), ("evaluate", pictures)):
        answer = alexnet(*command, "--weights", trained, "--mean", "1,2,3")
        assert answer.code == 2
        assert "says itself what is subtracted: leave the mean out" in answer.err


def test_every_precision_is_a_flag(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    arguments = ("predict", pictures / "red" / "0.png", "--weights", trained, "--device", "cpu", "--json")
    probs = {
        precision: [guess["prob"] for guess in alexnet(*arguments, "--precision", precision).document[0]["top"]]
        for precision in ("float32", "bfloat16", "int8")
    }

    for found in probs.values():
        np.testing.assert_allclose(found, probs["float32"], atol=0.1)
    refused = alexnet(*arguments, "--precision", "int4")
    assert refused.code == 2
    assert "expected float32, bfloat16 or int8" in refused.err


def test_weights_without_names_say_how_to_name_them(alexnet: Alexnet, pictures: Path, tmp_path: Path) -> None:
    model = AlexNet("tiny", num_classes=3)
    torch.save(model.state_dict(), tmp_path / "net.pth")
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    words = ("predict", pictures / "red" / "0.png", "--weights", tmp_path / "net.pth")
    assert "do not name their classes. Give a file of names with --classes." in alexnet(*words).err
    assert alexnet(*words, "--classes", tmp_path / "names.txt").err == ""
