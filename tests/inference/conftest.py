from pathlib import Path

import pytest

from alexnet.inference import Classifier
from oracles.classifiers import LABELS, draw, make_classifier


@pytest.fixture
def classifier() -> Classifier:
    return make_classifier()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures of three classes, losslessly stored."""
    for seed in range(6):
        path = tmp_path / "pictures" / LABELS[seed % 3] / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(seed).save(path)
    return tmp_path / "pictures"
