"""CutMix against loops over pixels."""

import numpy as np
import pytest
import torch

from alexnet.data.chance import MIX, draws
from alexnet.data.mix import DRAWS_PER_MIX, Mixture, mixed_labels, mixed_views, mixture

SIZE = 20


def drawn(positions: list[int], chance: float = 1.0) -> Mixture:
    chances = draws(0, 0, 0, max(positions) + 1, DRAWS_PER_MIX, MIX)[positions]
    return mixture(np.array(positions), chances, SIZE, chance)


def test_neighbours_are_partners_and_a_lonely_view_stays_whole() -> None:
    mixed = drawn([4, 5, 6, 9, 8])
    assert mixed.partners.tolist() == [1, 0, 2, 4, 3]
    assert mixed.kept[2] == 1 and mixed.boxes[2].tolist() == [0, 0, 0, 0]


def test_a_mixture_does_not_depend_on_the_batch() -> None:
    together, half = drawn(list(range(8))), drawn([4, 5, 6, 7])
    np.testing.assert_array_equal(together.boxes[4:], half.boxes)


def test_views_and_labels_are_mixed_pixel_by_pixel() -> None:
    mixed = drawn([0, 1, 2, 3])
    views, labels = torch.randn(4, 3, SIZE, SIZE), torch.tensor([0, 2, 1, 1])
    found, shares = mixed_views(views, mixed), mixed_labels(labels, mixed, 3)
    for slot, (top, bottom, left, right) in enumerate(mixed.boxes.tolist()):
        expected, share = views[slot].clone(), torch.zeros(3)
        for row in range(SIZE):
            for column in range(SIZE):
                source = slot
                if top <= row < bottom and left <= column < right:
                    source = slot ^ 1
                    expected[:, row, column] = views[source, :, row, column]
                share[labels[source]] += 1 / SIZE**2
        assert torch.equal(found[slot], expected)
        torch.testing.assert_close(shares[slot], share, rtol=0, atol=1e-5)


def test_boxes_have_the_drawn_area_where_the_edge_does_not_cut_them() -> None:
    chances = np.array([[0.0, 0.25, 0.5, 0.5], [0.9, 0.25, 0.5, 0.5], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.3, 0.3]])
    mixed = mixture(np.arange(4), chances, SIZE, 0.5)
    assert mixed.boxes.tolist() == [[5, 15, 5, 15], [0, 0, 0, 0], [0, 10, 0, 10], [6, 6, 6, 6]]
    assert mixed.kept.tolist() == pytest.approx([0.75, 1.0, 0.75, 1.0])


def test_half_of_the_views_are_mixed_at_a_chance_of_one_half() -> None:
    mixed = drawn(list(range(2000)), 0.5)
    assert np.count_nonzero(mixed.kept < 1) == pytest.approx(1000, abs=90)
