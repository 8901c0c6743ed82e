"""`alexnet explain` as people and programs call it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Alexnet = Callable[..., Any]


@pytest.mark.parametrize("kind", ["maps", "heatmap", "occlusion"])
def test_a_figure_is_named_for_its_picture_and_the_path_is_printed(
    alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    answer = alexnet("explain", kind, pictures / "red" / "0.png", "--weights", trained)

    assert answer.out.splitlines()[-1] == f"0-{kind}.png"
    with Image.open(tmp_path / f"0-{kind}.png") as figure:
        assert figure.format == "PNG"


def test_json_tells_the_share_of_colour_of_each_tower(alexnet: Alexnet, trained: Path, tmp_path: Path) -> None:
    found = alexnet("explain", "filters", "--weights", trained, "-o", tmp_path / "k.png", "--json").document

    assert (found["kind"], found["figure"], found["layer"]) == ("filters", str(tmp_path / "k.png"), "conv1")
    assert [(tower["tower"], tower["kernels"]) for tower in found["towers"]] == [(1, 8), (2, 8)]
    assert all(0 < tower["colour_share"] < 1 for tower in found["towers"])


def test_json_tells_where_the_evidence_is(alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path) -> None:
    arguments = (pictures / "red" / "0.png", "--weights", trained, "--class", "green", "-o", tmp_path / "h.png")

    found = alexnet("explain", "heatmap", *arguments, "--json").document

    assert found["target"] == {"index": 1, "label": "green"}
    assert 0 <= found["hottest"]["x"] < 67
    assert len(found["top"]) == 3


def test_pictures_with_bars_know_the_folders_of_their_classes(
    alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path
) -> None:
    arguments = (pictures / "red", pictures / "blue" / "1.png", "--weights", trained, "-o", tmp_path / "g.png")

    found = alexnet("explain", "guesses", *arguments, "--json").document

    assert [each["label"] for each in found["pictures"]] == ["red"] * 6 + ["blue"]
    assert (tmp_path / "g.png").exists()


def test_mistakes_are_told_in_one_message(alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path) -> None:
    image = pictures / "red" / "0.png"
    target = alexnet("explain", "heatmap", image, "--weights", trained, "--class", "cat")
    suffix = alexnet("explain", "maps", image, "--weights", trained, "-o", tmp_path / "m.gif")
    missing = alexnet("explain", "maps", tmp_path / "none.png", "--weights", trained)

    assert (target.code, suffix.code, missing.code) == (2, 2, 2)
    assert "there is no class 'cat'" in target.err
    assert "m.gif names no format of figures" in suffix.err
    assert "none.png" in missing.err
