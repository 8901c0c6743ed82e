"""The views of a trained network, against slices written out by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alexnet.data.views import average_views, center_offset, center_view, five_offsets, ten_views
from alexnet.errors import ImageTooSmall


def numbered(batch: int, height: int, width: int) -> torch.Tensor:
    """Images in which every value is unlike every other."""
    return torch.arange(batch * 3 * height * width).view(batch, 3, height, width)


def test_center_of_227_in_256_starts_at_14_as_in_caffe() -> None:
    assert center_offset(256, 227) == 14
    assert center_offset(256, 224) == 16
    images = numbered(2, 256, 256)
    assert torch.equal(center_view(images, 227), images[:, :, 14:241, 14:241])


def test_center_view_of_a_rectangle_is_central_both_ways() -> None:
    images = numbered(1, 8, 11)
    assert torch.equal(center_view(images, 5), images[:, :, 1:6, 3:8])


def test_ten_views_are_corners_center_and_mirrors_in_that_order() -> None:
    images = numbered(2, 12, 9)
    views = ten_views(images, 6)
    assert views.shape == (2, 10, 3, 6, 6)
    for image, of_image in zip(images.numpy(), views.numpy(), strict=True):
        by_hand = [image[:, :6, :6], image[:, :6, 3:], image[:, 6:, :6], image[:, 6:, 3:], image[:, 3:9, 1:7]]
        for place, view in enumerate(by_hand):
            np.testing.assert_array_equal(of_image[place], view)
            np.testing.assert_array_equal(of_image[place + 5], view[:, :, ::-1])


def test_caffe_and_the_paper_name_these_five_offsets() -> None:
    assert five_offsets(256, 256, 227) == ((0, 0), (0, 29), (29, 0), (29, 29), (14, 14))
    assert set(five_offsets(256, 256, 224)) == {(0, 0), (0, 32), (16, 16), (32, 0), (32, 32)}


@given(st.integers(1, 9), st.integers(0, 7), st.integers(0, 7))
def test_every_view_lies_inside_its_picture(size: int, more_height: int, more_width: int) -> None:
    height, width = size + more_height, size + more_width
    for top, left in five_offsets(height, width, size):
        assert 0 <= top <= height - size
        assert 0 <= left <= width - size


def test_views_as_large_as_the_picture_are_the_picture() -> None:
    images = numbered(1, 7, 7)
    assert torch.equal(center_view(images, 7), images)
    assert all(torch.equal(view, images[0]) for view in ten_views(images, 7)[0, :5])


@pytest.mark.parametrize("cut", [center_view, ten_views])
def test_a_view_too_large_names_both_sizes(cut: object) -> None:
    assert callable(cut)
    with pytest.raises(ImageTooSmall, match=r"227x227 .* 300x200"):
        cut(torch.zeros(1, 3, 200, 300), 227)


def test_probabilities_are_averaged_not_logits() -> None:
    logits = torch.tensor([[9.0, 0.0], [0.0, 1.0], [0.0, 2.0], [1.0, 1.0]])  # 2 images of 2 views
    probs = average_views(logits, 2)
    expected = [
        (np.exp(9) / (np.exp(9) + 1) + 1 / (1 + np.e)) / 2,
        (1 / (1 + np.e**2) + 0.5) / 2,
    ]
    np.testing.assert_allclose(probs[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-6)
    of_logits = logits.view(2, 2, 2).mean(1).softmax(1)
    assert (probs - of_logits).abs().max() > 0.05


def test_three_views_can_outvote_one_that_shouts() -> None:
    logits = torch.tensor([[50.0, 0.0], [0.0, 3.0], [0.0, 3.0], [0.0, 3.0]])
    assert average_views(logits, 4).argmax() == 1
    assert logits.mean(0).argmax() == 0


def test_averages_of_half_precision_are_float32() -> None:
    assert average_views(torch.randn(4, 5, dtype=torch.bfloat16), 2).dtype == torch.float32
    assert average_views(torch.randn(4, 5, dtype=torch.float64), 2).dtype == torch.float64
