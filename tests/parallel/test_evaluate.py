"""Pictures that several processes look at together are counted once each."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from alexnet.data.preprocess import Preprocessing
from alexnet.data.source import open_pictures
from alexnet.inference.classifier import Classifier
from alexnet.inference.evaluate import Evaluation, evaluate
from alexnet.model import AlexNet
from alexnet.parallel.team import ALONE, Team
from parallel.lessons import statistics
from parallel.processes import together


def judge(team: Team, folder: Path, views: int) -> Evaluation:
    net = AlexNet("tiny", num_classes=3, generator=torch.Generator().manual_seed(0)).eval()
    preprocessing = replace(Preprocessing.of(net.lineage.input, statistics()), std=(50.0, 50.0, 50.0))
    labels = ("stripes0", "stripes1", "stripes2")
    classifier = Classifier(net, labels, preprocessing, net.lineage, torch.device("cpu"))
    return evaluate(classifier, open_pictures(folder, None, 80, "short"), views=views, batch_size=10, team=team)


@pytest.fixture
def wounded(textures: Path, tmp_path: Path) -> Path:
    """47 pictures, of which two cannot be read."""
    folder = shutil.copytree(textures, tmp_path / "textures")
    (folder / "stripes1" / "003.png").unlink()
    for name in ("stripes0/000.png", "stripes2/015.png"):
        (folder / name).write_text("not a picture")
    return folder


@pytest.mark.parametrize("size", [2, 4])
def test_each_picture_is_counted_once(size: int, wounded: Path) -> None:
    expected = judge(ALONE, wounded, 1)
    assert (expected.images, len(expected.skipped)) == (45, 2)
    for found in together(size, judge, wounded, 1):
        assert found.loss == pytest.approx(expected.loss, rel=1e-6)
        assert sorted(found.skipped) == sorted(expected.skipped)
        assert replace(found, loss=0, skipped=()) == replace(expected, loss=0, skipped=())
