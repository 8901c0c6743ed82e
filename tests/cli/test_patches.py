"""The demo's data set."""

from pathlib import Path

import numpy as np
from PIL import Image

from alexnet.cli.patches import cut_patches, halves, square
from alexnet.inference.sources import photo_files


def test_every_photo_becomes_a_class_in_both_splits(tmp_path: Path) -> None:
    cut_patches(tmp_path, train=3, val=2, seed=0)

    for file in photo_files():
        assert len(list((tmp_path / "train" / file.stem).iterdir())) == 3
        assert len(list((tmp_path / "val" / file.stem).iterdir())) == 2


def test_training_and_validation_squares_share_no_pixel() -> None:
    columns = np.tile(np.arange(200, dtype=np.uint8), (120, 1))  # every pixel says which column it is of
    left, right = halves(Image.fromarray(columns), side=96)

    places = np.random.default_rng(0).random((50, 2))
    learnt = {value for place in places for value in np.unique(np.asarray(square(left, place, 96)))}
    checked = {value for place in places for value in np.unique(np.asarray(square(right, place, 96)))}

    assert learnt
    assert checked
    assert not learnt & checked


def test_the_far_corner_can_be_cut() -> None:
    part = Image.new("L", (100, 120))

    assert square(part, np.array([0.999, 0.999]), 96).size == (96, 96)


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    first, second, other = (cut_patches(tmp_path / name, 2, 1, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))

    files = sorted(path.relative_to(first) for path in first.rglob("*.jpg"))
    assert all((first / file).read_bytes() == (second / file).read_bytes() for file in files)
    assert any((first / file).read_bytes() != (other / file).read_bytes() for file in files)
