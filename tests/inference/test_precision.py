"""A loaded network answers alike in every precision, as nearly as the precision allows."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from alexnet.errors import DataError, UsageError
from alexnet.fast.cpu import processor
from alexnet.inference import Classifier, load
from alexnet.inference.precision import sample_views, working_precision
from alexnet.weights import save
from oracles.classifiers import draw, make_weights, squares

FARTHEST = {"float32": 1e-5, "bfloat16": 0.02, "int8": 0.1}


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return save(make_weights(), tmp_path / "network")


@pytest.fixture
def images() -> Tensor:
    return torch.from_numpy(squares([draw(seed) for seed in range(4)])).permute(0, 3, 1, 2)


@pytest.mark.parametrize("precision", FARTHEST)
@pytest.mark.parametrize("views", [1, 10])
def test_probabilities_are_near_the_plain_ones(
    precision: str, views: int, network: Path, images: Tensor, classifier: Classifier
) -> None:
    loaded = load(network, device="cpu", precision=precision)
    difference = (loaded.probs(images, views) - classifier.probs(images, views)).abs().max()
    assert difference <= FARTHEST[precision]


@pytest.mark.skipif(not processor.has_int8(), reason="no int8 convolutions here")
def test_int8_learns_from_the_pictures_it_is_given(network: Path, images: Tensor, tmp_path: Path) -> None:
    for seed in range(3):
        draw(seed).save(tmp_path / f"{seed}.png")
    found = load(network, device="cpu", precision="int8", samples=str(tmp_path / "*.png")).probs(images)
    again = load(network, device="cpu", precision="int8", samples=[draw(seed) for seed in range(3)]).probs(images)
    assert torch.equal(found, again)
    assert not torch.equal(found, load(network, device="cpu", precision="int8").probs(images))


def test_an_unknown_precision_is_refused(network: Path) -> None:
    with pytest.raises(UsageError, match="'int4'; expected float32, bfloat16 or int8"):
        load(network, device="cpu", precision="int4")


def test_samples_that_cannot_be_read_are_refused(network: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="none of the pictures"):
        load(network, device="cpu", precision="int8", samples=tmp_path / "broken.jpg")


def test_samples_are_ten_views_as_the_network_sees_them(classifier: Classifier) -> None:
    views = sample_views(classifier.preprocessing, [draw(3)])
    assert views.shape == (10, 3, 67, 67)
    expected = classifier.preprocessing.views(
        torch.from_numpy(squares([draw(3)])).permute(0, 3, 1, 2), lambda pictures: pictures[..., 6:73, 6:73]
    )
    np.testing.assert_array_equal(views[4], expected[0])


def test_an_engine_says_what_it_works_in(network: Path) -> None:
    loaded = load(network, device="cpu", precision="bfloat16")
    assert loaded.engine is not None
    working = working_precision(loaded.engine)
    assert working == ("bfloat16" if processor.has_bfloat16() else "float32")
