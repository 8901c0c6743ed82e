"""Augmentation against slices, a sampler written as a loop, and the figures of the paper."""

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet.data.augment import (
    AREA,
    COLOR,
    DRAWS_PER_PICTURE,
    LEFT,
    MIRROR,
    SHAPE,
    TOP,
    Augmentation,
    augment,
    boxes,
    color_shift,
    offsets,
)
from alexnet.data.chance import draws as draws_at
from alexnet.data.preprocess import Preprocessing
from alexnet.data.statistics import Statistics
from alexnet.errors import ImageTooSmall, UsageError
from alexnet.lineages.spec import Input

SIDE, SIZE = 20, 13
PLAIN = Augmentation(crop="center", flip=False, color="off")

# ImageNet's figures on 0-1, as fb.resnet.torch printed them; here on 0-255.
IMAGENET = Statistics(
    count=1,
    mean=np.array([124.0, 117.0, 104.0]),
    covariance=np.zeros((3, 3)),
    eigenvalues=np.array([0.2175, 0.0188, 0.0045]) * 255**2,
    eigenvectors=np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]),
)


def random_draws(count: int, seed: int = 0) -> np.ndarray:
    return draws_at(seed, 0, 0, count, DRAWS_PER_PICTURE)


def pictures(count: int, side: int = SIDE) -> torch.Tensor:
    values = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return torch.from_numpy(values).permute(0, 3, 1, 2)


def plain_input(**changes: Any) -> Preprocessing:
    """Preprocessing that changes no value, unless told to."""
    return Preprocessing.of(replace(Input(size=SIZE, resize=SIDE, mean=(0.0, 0.0, 0.0)), **changes), None)


def resampled(picture: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """One box of one picture (C, S, S), pixel by pixel: bilinear between pixel centres, clamped at the border."""
    side = picture.shape[-1]
    top, left, height, width = box * side
    view = np.empty((len(picture), size, size))
    for row in range(size):
        for column in range(size):
            y = min(max(top + (row + 0.5) * height / size - 0.5, 0), side - 1)
            x = min(max(left + (column + 0.5) * width / size - 0.5, 0), side - 1)
            y0, x0 = min(int(y), side - 2), min(int(x), side - 2)
            dy, dx = y - y0, x - x0
            upper = picture[:, y0, x0] * (1 - dx) + picture[:, y0, x0 + 1] * dx
            lower = picture[:, y0 + 1, x0] * (1 - dx) + picture[:, y0 + 1, x0 + 1] * dx
            view[:, row, column] = upper * (1 - dy) + lower * dy
    return view


def test_random_crops_are_exact_pixels_mirrored_or_not() -> None:
    images, draws = pictures(40), random_draws(40)
    views = augment(images, draws, plain_input(), Augmentation(color="off"), None)
    for image, row, view in zip(images.numpy(), draws, views.numpy(), strict=True):
        top, left = math.floor(row[1] * 8), math.floor(row[2] * 8)
        pixels = image[:, top : top + SIZE, left : left + SIZE]
        np.testing.assert_array_equal(view, pixels[:, :, ::-1] if row[0] < 0.5 else pixels)


def test_without_crop_flip_and_color_training_sees_the_test_view() -> None:
    images = pictures(3)
    views = augment(images, random_draws(3), plain_input(), PLAIN, None)
    np.testing.assert_array_equal(views, images[:, :, 3:16, 3:16])


@pytest.mark.parametrize(("size", "places"), [(224, 33), (227, 30)])
def test_every_offset_of_the_paper_occurs_and_no_other(size: int, places: int) -> None:
    edges = np.linspace(0, 1, 20 * places + 1)[:-1]
    draws = np.zeros((len(edges) + 1, DRAWS_PER_PICTURE))
    draws[:, TOP] = draws[:, LEFT] = [*edges, 1 - 2**-53]
    tops, lefts = offsets(draws, 256 - size).T
    assert set(tops) == set(lefts) == set(range(places))
    assert places**2 * 2 == {224: 2178, 227: 1800}[size]


def test_offsets_are_equally_likely_and_independent() -> None:
    found = Counter(map(tuple, offsets(random_draws(64_000), 7).tolist()))
    assert len(found) == 64
    expected = 64_000 / 64
    chi_square = sum((count - expected) ** 2 / expected for count in found.values())
    assert chi_square < 104  # of 63 degrees of freedom: exceeded once in a thousand


def test_half_of_the_pictures_are_mirrored() -> None:
    ramp = torch.arange(SIDE, dtype=torch.uint8).expand(4000, 3, SIDE, SIDE)
    views = augment(ramp, random_draws(4000), plain_input(), replace(PLAIN, flip=True), None)
    mirrored = int((views[:, 0, 0, 0] > views[:, 0, 0, -1]).sum())
    assert abs(mirrored - 2000) < 3 * math.sqrt(1000)


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=8, max_size=8), st.floats(0.01, 1))
def test_boxes_lie_inside_and_have_the_area_and_shape_asked_for(row: list[float], min_area: float) -> None:
    top, left, height, width = boxes(np.array([row]), min_area)[0]
    assert min(top, left) >= 0
    assert max(top + height, left + width) <= 1 + 1e-12
    assert height * width == pytest.approx(min_area + (1 - min_area) * row[AREA])
    assert 3 / 4 - 1e-9 <= width / height <= 4 / 3 + 1e-9


def test_shapes_cover_their_range_wherever_the_box_is_small_enough() -> None:
    _, _, height, width = boxes(random_draws(4000), 0.1).T
    ratios = (width / height)[height * width < 0.7]
    assert ratios.min() < 0.77
    assert ratios.max() > 1.3
    assert abs(np.median(np.log(ratios))) < 0.02


@pytest.mark.parametrize("stored", [9, SIDE])
def test_area_crops_are_bilinear_samples_of_the_stored_picture(stored: int) -> None:
    images, draws = pictures(6, stored), random_draws(6)
    augmentation = Augmentation(crop="area", flip=True, color="off", min_area=0.2)
    views = augment(images, draws, plain_input(), augmentation, None)
    for image, row, box, view in zip(images.numpy(), draws, boxes(draws, 0.2), views.numpy(), strict=True):
        expected = resampled(image.astype(float), box, SIZE)
        np.testing.assert_allclose(view, expected[:, :, ::-1] if row[MIRROR] < 0.5 else expected, atol=0.01)


def test_an_area_crop_of_everything_is_a_resize() -> None:
    images = pictures(2, 9)
    augmentation = replace(PLAIN, crop="area", min_area=1.0)
    views = augment(images, random_draws(2), plain_input(), augmentation, None)
    expected = torch.nn.functional.interpolate(images.float(), (SIZE, SIZE), mode="bilinear")
    np.testing.assert_allclose(views, expected, atol=0.01)


def test_large_pictures_are_resized_before_an_area_crop_so_that_nothing_flickers() -> None:
    board = (np.indices((80, 80)).sum(axis=0) % 2 * 255).astype(np.uint8)  # the finest chequerboard is plain gray
    images = torch.from_numpy(np.stack([board] * 3))[None]
    views = augment(images, random_draws(1), plain_input(), replace(PLAIN, crop="area"), None)
    assert views.std() < 3


@pytest.mark.parametrize(("color", "grey_levels"), [("sqrt", 11.9), ("eigenvalue", 5.5)])
def test_color_noise_has_the_size_of_the_paper_in_grey_levels(color: Any, grey_levels: float) -> None:
    shift = color_shift(random_draws(100_000), Augmentation(color=color), IMAGENET)
    along_first = shift @ IMAGENET.eigenvectors[:, 0]
    assert along_first.std() == pytest.approx(grey_levels, abs=0.1)
    assert abs(along_first.mean()) < 0.1


def test_color_noise_lies_along_the_eigenvectors() -> None:
    shift = color_shift(random_draws(100_000), Augmentation(color="sqrt"), IMAGENET)
    values, vectors = np.linalg.eigh(np.cov(shift.T))
    np.testing.assert_allclose(values[::-1], 0.01 * IMAGENET.eigenvalues, rtol=0.02)
    overlap = np.abs((vectors[:, ::-1] * IMAGENET.eigenvectors).sum(axis=0))
    np.testing.assert_allclose(overlap, 1, atol=1e-3)


def test_color_noise_is_normal_even_at_the_ends_of_the_draws() -> None:
    draws = np.full((5, DRAWS_PER_PICTURE), 0.5)
    draws[:, 5] = [0, 1 - 2**-53, 0.5, 0.8413447460685429, 0.15865525393145707]
    first = color_shift(draws, Augmentation(color="sqrt"), IMAGENET) @ IMAGENET.eigenvectors[:, 0]
    first /= 0.1 * np.sqrt(IMAGENET.eigenvalues[0]) * (IMAGENET.eigenvectors[:, 0] ** 2).sum()
    np.testing.assert_allclose(first[2:], [0, 1, -1], atol=1e-6)
    assert first[0] == pytest.approx(-first[1], rel=1e-3)
    assert 8 < first[1] < 8.5


def test_color_noise_is_one_shift_for_all_pixels_and_is_never_clipped() -> None:
    images, draws = torch.full((200, 3, SIDE, SIDE), 255, dtype=torch.uint8), random_draws(200)
    augmentation = replace(PLAIN, color="sqrt", color_std=1.0)
    views = augment(images, draws, plain_input(), augmentation, IMAGENET).numpy()
    shift = color_shift(draws, augmentation, IMAGENET)
    np.testing.assert_allclose(views, 255 + np.broadcast_to(shift[:, :, None, None], views.shape), rtol=1e-5)
    assert views.max() > 300


def test_color_noise_is_added_in_rgb_before_range_and_order() -> None:
    images, draws = pictures(5), random_draws(5)
    augmentation = replace(PLAIN, color="eigenvalue", color_std=1.0)
    preprocessing = plain_input(order="BGR", range=1, std=(0.5, 0.25, 0.125))
    gap = augment(images, draws, preprocessing, augmentation, IMAGENET) - augment(
        images, draws, preprocessing, PLAIN, None
    )
    expected = (color_shift(draws, augmentation, IMAGENET) / 255 / [0.5, 0.25, 0.125])[:, ::-1]
    np.testing.assert_allclose(gap[:, :, 4, 7], expected, rtol=1e-4)


@pytest.mark.parametrize("alignment", ["center", "picture"])
def test_a_mean_image_goes_along_with_the_crop_only_when_aligned_with_the_picture(alignment: Any) -> None:
    images, draws = pictures(12), random_draws(12)
    mean_image = np.random.default_rng(1).uniform(0, 255, (SIDE, SIDE, 3)).astype(np.float32)
    preprocessing = replace(plain_input(), mean_image=mean_image, mean_alignment=alignment)
    views = augment(images, draws, preprocessing, Augmentation(color="off"), None).numpy()
    mean = mean_image.transpose(2, 0, 1)
    for image, row, (top, left), view in zip(images.numpy(), draws, offsets(draws, 7), views, strict=True):
        here = np.s_[:, top : top + SIZE, left : left + SIZE]
        step = -1 if row[MIRROR] < 0.5 else 1
        if alignment == "picture":
            expected = (image[here] - mean[here])[:, :, ::step]
        else:
            expected = image[here][:, :, ::step] - mean[:, 3:16, 3:16]
        np.testing.assert_allclose(view, expected, atol=1e-3)


@pytest.mark.parametrize("stored", [9, SIDE])
def test_a_picture_mean_is_resampled_by_the_same_box(stored: int) -> None:
    values = np.random.default_rng(2).integers(0, 256, (stored, stored, 3), dtype=np.uint8)
    preprocessing = replace(plain_input(), mean_image=values.astype(np.float32), mean_alignment="picture")
    images = torch.from_numpy(values).permute(2, 0, 1)[None].expand(4, -1, -1, -1)
    views = augment(images, random_draws(4), preprocessing, Augmentation(crop="area", color="off"), None)
    assert views.abs().max() < 1e-3


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["random", "area", "center"]), st.sampled_from(["sqrt", "eigenvalue", "off"]), st.integers(1, 9))
def test_a_picture_does_not_notice_its_batch(crop: Any, color: Any, cut: int) -> None:
    images, draws = pictures(10, 17), random_draws(10)
    together, first, rest = (
        augment(images[rows], draws[rows], plain_input(), Augmentation(crop, color=color), IMAGENET)
        for rows in (slice(0, 10), slice(0, cut), slice(cut, 10))
    )
    assert torch.equal(together, torch.cat([first, rest]))


def test_switching_one_augmentation_off_leaves_the_others() -> None:
    images, draws = pictures(8), random_draws(8)
    with_color = augment(images, draws, plain_input(), Augmentation(), IMAGENET)
    without = augment(images, draws, plain_input(), Augmentation(color="off"), None)
    assert (with_color - without).flatten(2).std(dim=2).max() < 1e-3  # the same crop: a constant per plane
    assert (with_color - without).abs().max() > 1


def test_slots_do_not_overlap_and_fill_a_row() -> None:
    assert [MIRROR, TOP, LEFT, AREA, SHAPE, *range(*COLOR.indices(99))] == list(range(DRAWS_PER_PICTURE))


def test_the_pictures_are_left_as_they_were() -> None:
    images = pictures(4)
    augment(images, random_draws(4), plain_input(), Augmentation(), IMAGENET)
    assert torch.equal(images, pictures(4))


def test_a_crop_larger_than_the_square_is_refused() -> None:
    with pytest.raises(ImageTooSmall, match="30x30"):
        augment(pictures(1), random_draws(1), plain_input(size=30), Augmentation(color="off"), None)


@pytest.mark.parametrize("wrong", [{"min_area": 0.0}, {"min_area": 1.5}, {"color_std": -0.1}])
def test_settings_out_of_bounds_are_named_with_their_value(wrong: dict[str, float]) -> None:
    (name, value), *_ = wrong.items()
    with pytest.raises(UsageError, match=f"{name} is {value}"):
        Augmentation(**wrong)  # type: ignore[arg-type]
