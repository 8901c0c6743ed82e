"""`alexnet index` and `alexnet search` as people and programs call them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from alexnet.weights import load, save

Alexnet = Callable[..., Any]


@pytest.fixture
def index(alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path) -> Path:
    """An index of 18 pictures."""
    folder = tmp_path / "idx"
    found = alexnet("index", pictures, "-o", folder, "--weights", trained, "--json").document
    assert (found["index"], found["pictures"], found["layer"], found["width"]) == (str(folder), 18, "fc7", 64)
    assert len(found["sha256"]) == 64
    return folder


def test_alike_pictures_are_found_without_naming_the_weights_again(
    alexnet: Alexnet, index: Path, pictures: Path
) -> None:
    found = alexnet("search", pictures / "red", "--index", index, "--top", 4, "--json").document

    assert (found["layer"], found["metric"], found["figure"]) == ("fc7", "euclidean", None)
    assert len(found["matches"]) == 6
    for match in found["matches"]:
        far = [each["distance"] for each in match["neighbours"]]
        assert len(far) == 4
        assert far == sorted(far)
        assert match["image"] not in [each["path"] for each in match["neighbours"]]


def test_people_get_a_line_for_each_neighbour_and_the_figures_path(
    alexnet: Alexnet, index: Path, pictures: Path, tmp_path: Path
) -> None:
    image = pictures / "red" / "0.png"

    answer = alexnet("search", image, "--index", index, "--metric", "cosine", "-o", tmp_path / "near.png")

    lines = answer.out.splitlines()
    assert lines[0] == str(image)
    assert len(lines) == 1 + 1 + 6 + 1
    assert lines[-1] == str(tmp_path / "near.png")
    with Image.open(tmp_path / "near.png") as figure:
        assert figure.format == "PNG"


def test_mistakes_are_told_in_one_message(alexnet: Alexnet, index: Path, pictures: Path, tmp_path: Path) -> None:
    image = pictures / "red" / "0.png"
    nowhere = alexnet("search", image, "--index", tmp_path)
    missing = alexnet("search", tmp_path / "none.png", "--index", index)
    taken = alexnet("index", pictures, "-o", pictures, "--weights", index)

    assert (nowhere.code, missing.code, taken.code) == (2, 2, 2)
    assert "is no index" in nowhere.err
    assert "there is no picture to search with" in missing.err


def test_other_weights_are_refused(
    alexnet: Alexnet, index: Path, pictures: Path, trained: Path, tmp_path: Path
) -> None:
    other = load(trained)
    other.tensors["fc6.bias"] += 1e-3

    answer = alexnet("search", pictures, "--index", index, "--weights", save(other, tmp_path / "other"))

    assert answer.code == 2
    assert "was made by other weights" in answer.err
