"""`alexnet features` as people and programs call it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Alexnet = Callable[..., Any]


def test_json_tells_what_was_written(alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "made" / "f.npz"

    answer = alexnet(
        "features", pictures, "--layer", "fc7", "--layer", "pool5", "-o", file, "--weights", trained, "--json"
    )

    assert answer.document == {
        "files": [str(file)],
        "pictures": 18,
        "layers": {"fc7": 64, "pool5": 32},
        "dtype": "float32",
        "skipped": [],
    }
    assert np.load(file)["pool5"].shape == (18, 32)


def test_rows_follow_the_order_of_the_arguments(
    alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path
) -> None:
    names = [pictures / "red" / "3.png", pictures / "blue" / "1.png", pictures / "green" / "0.png"]

    answer = alexnet("features", *names, "-o", tmp_path / "f.npz", "--weights", trained)

    assert np.load(tmp_path / "f.npz")["paths"].tolist() == [str(name) for name in names]
    assert answer.out.splitlines() == ["fc7 (3 x 64) in float32", str(tmp_path / "f.npz")]


def test_what_cannot_be_read_is_named(alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path) -> None:
    (pictures / "red" / "0.png").write_bytes(b"")

    answer = alexnet("features", pictures, "-o", tmp_path / "f.npy", "--weights", trained, "--json")

    assert answer.code == 0
    assert f"Skipped {pictures / 'red' / '0.png'}: the file is empty" in answer.err
    assert [name for name, _ in answer.document["skipped"]] == [str(pictures / "red" / "0.png")]


def test_mistakes_are_told_in_one_message(alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path) -> None:
    layer = alexnet("features", pictures, "--layer", "fc9", "-o", tmp_path / "f.npz", "--weights", trained)
    suffix = alexnet("features", pictures, "-o", tmp_path / "f.txt", "--weights", trained)

    assert (layer.code, suffix.code) == (2, 2)
    assert "no layer 'fc9'. It has: conv1, norm1" in layer.err
    assert "f.txt names no format of features. Choose a suffix of .npz, .npy, .parquet." in suffix.err
