from typing import Any

import numpy as np
import torch

from alexnet.inference.filters import kernel_grid
from alexnet.lineages import find
from alexnet.model import AlexNet
from oracles.classifiers import make_classifier


def grid_of(kernels: torch.Tensor, **preprocessing: Any) -> np.ndarray:
    classifier = make_classifier(**preprocessing)
    with torch.no_grad():
        classifier.model.get_parameter("conv1.weight").copy_(kernels)
    return np.asarray(kernel_grid(classifier, scale=1))


def test_the_papers_96_kernels_make_8_rows_of_12() -> None:
    classifier = make_classifier()
    object.__setattr__(classifier, "model", AlexNet(find("bvlc")).eval())
    assert kernel_grid(classifier, scale=2).size == (2 * (12 * 12 + 1), 2 * (8 * 12 + 1))


def test_zero_is_gray_and_the_largest_weight_of_all_kernels_is_full() -> None:
    kernels = torch.zeros(16, 3, 11, 11)
    kernels[0, 0] = 2.0  # red
    kernels[1, 2] = -1.0  # half as strong, less blue than gray
    grid = grid_of(kernels)
    assert grid[1, 1].tolist() == [255, 128, 128, 255]
    assert grid[1, 13].tolist() == [128, 128, 64, 255]
    assert grid[13, 1].tolist() == [128, 128, 128, 255]
    assert grid[0, 0].tolist() == [0, 0, 0, 0]  # between kernels the page shines through


def test_kernels_lie_upright_in_their_place() -> None:
    kernels = torch.zeros(16, 3, 11, 11)
    kernels[6, :, 2, 9] = 1.0  # 5 columns: kernel 6 is second of the second row
    assert np.argwhere((grid_of(kernels) == 255).all(axis=2)).tolist() == [[13 + 2, 13 + 9]]


def test_a_network_that_reads_bgr_is_shown_in_its_true_colours() -> None:
    kernels = torch.zeros(16, 3, 11, 11)
    kernels[0, 0] = 1.0  # its first plane is blue
    assert grid_of(kernels, order="BGR")[1, 1].tolist() == [128, 128, 255, 255]


def test_a_network_without_weights_is_gray() -> None:
    assert set(np.unique(grid_of(torch.zeros(16, 3, 11, 11))[1:12, 1:12, :3])) == {128}
