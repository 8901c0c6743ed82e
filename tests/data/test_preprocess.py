"""Preprocessing against the formulas written out, one picture and one view at a time."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet.data.preprocess import Preprocessing
from alexnet.data.statistics import Moments, Statistics
from alexnet.data.views import center_view, five_offsets, ten_views
from alexnet.errors import DataError, ImageTooSmall, WeightsError
from alexnet.lineages import LINEAGES
from alexnet.lineages.spec import Input

SIDE, SIZE = 20, 13


def pictures(count: int = 4, side: int = SIDE, seed: int = 0) -> np.ndarray:
    """(count, side, side, 3) uint8, each colour with a level of its own."""
    noise = np.random.default_rng(seed).integers(0, 156, (count, side, side, 3))
    levels: np.ndarray = noise + np.array([0, 40, 100])
    return levels.astype(np.uint8)


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values).permute(0, 3, 1, 2)


def planes(values: np.ndarray) -> np.ndarray:
    return np.moveaxis(values, -1, -3)


def statistics_of(values: np.ndarray) -> Statistics:
    moments = Moments(values.shape[1])
    for picture in values:
        moments.add(picture)
    return moments.finish()


def small(**changes: Any) -> Input:
    return replace(Input(size=SIZE, resize=SIDE), **changes)


def center(images: torch.Tensor) -> torch.Tensor:
    return center_view(images, SIZE)


def test_fixed_means_on_a_range_of_1_are_those_of_torchvision() -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    preprocessing = Preprocessing.of(small(range=1, mean=mean, std=std), None)
    values = pictures()
    expected = planes((values / 255 - mean) / std)[..., 3:16, 3:16]
    np.testing.assert_allclose(preprocessing.views(tensor(values), center), expected, atol=2e-6)
    assert preprocessing.mean == pytest.approx((123.675, 116.28, 103.53))


def test_channel_means_are_those_of_the_training_set() -> None:
    values = pictures()
    preprocessing = Preprocessing.of(small(mean="channel"), statistics_of(values))
    expected = planes(values - values.mean(axis=(0, 1, 2)))[..., 3:16, 3:16]
    np.testing.assert_allclose(preprocessing.views(tensor(values), center), expected, atol=1e-4)


def test_means_on_255_with_a_spread_are_divided_after_subtraction() -> None:
    preprocessing = Preprocessing.of(small(mean=(100.0, 110.0, 120.0), std=(2.0, 4.0, 8.0)), None)
    values = pictures()
    expected = planes((values - [100.0, 110, 120]) / [2, 4, 8])[..., 3:16, 3:16]
    np.testing.assert_allclose(preprocessing.views(tensor(values), center), expected, atol=1e-5)


def test_pictures_sharper_than_those_learnt_from_are_softened_first() -> None:
    values = pictures(side=SIDE)
    plain = Preprocessing.of(small(mean=(100.0, 110.0, 120.0)), None)
    soft = replace(plain, detail=8)
    shrunk = [Image.fromarray(each) for each in planes(values.astype(np.float32)).reshape(-1, SIDE, SIDE)]
    for side in (8, SIDE):  # Pillow resizes floats as they are
        shrunk = [each.resize((side, side), Image.Resampling.BILINEAR) for each in shrunk]
    expected = np.stack([np.asarray(each) for each in shrunk]).reshape(4, 3, SIDE, SIDE)
    expected = expected - np.array([100, 110, 120])[:, None, None]
    np.testing.assert_allclose(soft.views(tensor(values), center), expected[..., 3:16, 3:16], atol=1e-3)
    stored = tensor(pictures(side=8))
    assert torch.equal(soft.views(stored, center), plain.views(stored, center))
    assert Preprocessing.from_dict(soft.to_dict()) == soft and "detail" not in plain.to_dict()


def test_bgr_turns_planes_and_keeps_each_its_own_mean_and_spread() -> None:
    rgb = Preprocessing.of(small(mean=(100.0, 110.0, 120.0), std=(2.0, 4.0, 8.0)), None)
    images = tensor(pictures())
    in_rgb = rgb.views(images, center)
    in_bgr = replace(rgb, order="BGR").views(images, center)
    np.testing.assert_array_equal(in_bgr.numpy(), in_rgb.numpy()[:, [2, 1, 0]])
    assert not torch.equal(in_bgr, in_rgb)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_a_mean_image_aligned_at_the_center_meets_every_view_unmoved(order: Any) -> None:
    values, training = pictures(), pictures(7, seed=1)
    preprocessing = Preprocessing.of(small(order=order), statistics_of(training))
    views = preprocessing.views(tensor(values), lambda images: ten_views(images, SIZE)).numpy()
    middle = training.mean(axis=0)[3:16, 3:16]
    for number, picture in enumerate(values.astype(float)):
        for place, (top, left) in enumerate(five_offsets(SIDE, SIDE, SIZE)):
            pixels = picture[top : top + SIZE, left : left + SIZE]
            for view, expected in ((place, pixels - middle), (place + 5, pixels[:, ::-1] - middle)):
                planes_of_view = planes(expected[..., ::-1] if order == "BGR" else expected)
                np.testing.assert_allclose(views[number, view], planes_of_view, atol=1e-4)


def test_a_mean_image_aligned_with_the_picture_moves_and_mirrors_with_it() -> None:
    values, training = pictures(), pictures(7, seed=1)
    preprocessing = Preprocessing.of(small(mean_alignment="picture"), statistics_of(training))
    views = preprocessing.views(tensor(values), lambda images: ten_views(images, SIZE)).numpy()
    for number, picture in enumerate(values - training.mean(axis=0)):
        for place, (top, left) in enumerate(five_offsets(SIDE, SIDE, SIZE)):
            pixels = picture[top : top + SIZE, left : left + SIZE]
            np.testing.assert_allclose(views[number, place], planes(pixels), atol=1e-4)
            np.testing.assert_allclose(views[number, place + 5], planes(pixels[:, ::-1]), atol=1e-4)


def test_the_two_alignments_agree_on_the_center_view_only() -> None:
    images, statistics = tensor(pictures()), statistics_of(pictures(7, seed=1))
    at_center, at_picture = (
        Preprocessing.of(small(mean_alignment=alignment), statistics).views(images, lambda x: ten_views(x, SIZE))
        for alignment in ("center", "picture")
    )
    gaps = (at_center - at_picture).abs().amax(dim=(0, 2, 3, 4))  # (10,)
    assert gaps[4] < 1e-4
    assert all(gaps[place] > 1 for place in range(10) if place != 4)


def test_pictures_of_another_side_are_resized_as_pillow_would() -> None:
    preprocessing = Preprocessing.of(small(mean=(0.0, 0.0, 0.0)), None)
    for side in (9, 64):
        values = pictures(2, side)
        views = preprocessing.views(tensor(values), center)
        squares = [Image.fromarray(value).resize((SIDE, SIDE), Image.Resampling.BILINEAR) for value in values]
        expected = planes(np.stack([np.asarray(square) for square in squares]))[..., 3:16, 3:16]
        np.testing.assert_allclose(views, expected, atol=1.01)  # Pillow rounds after each direction


def test_a_mean_image_of_another_side_is_resized_too() -> None:
    gradient = np.repeat(np.linspace(0, 200, 40)[None, :, None], 40, axis=0) + np.array([0, 20, 40])
    levels = gradient.astype(np.float32)
    statistics = replace(statistics_of(pictures()), mean_image=levels)
    preprocessing = Preprocessing.of(small(), statistics)
    views = preprocessing.views(torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8), center)
    expected = -levels.reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3))[3:16, 3:16]
    np.testing.assert_allclose(views[0], planes(expected), atol=1.5)


def test_small_pictures_stay_small_when_not_to_be_enlarged_and_large_ones_do_not() -> None:
    preprocessing = Preprocessing.of(small(mean=(0.0, 0.0, 0.0)), None)
    seen = []

    def cut(images: torch.Tensor) -> torch.Tensor:
        seen.append(images.shape[-1])
        return images[..., :1, :1].expand(-1, -1, SIZE, SIZE).clone()

    for side in (9, 64):
        preprocessing.views(tensor(pictures(1, side)), cut, enlarge=False)
    assert seen == [9, SIDE]


@pytest.mark.parametrize("alignment", ["center", "picture"])
def test_neither_the_pictures_nor_the_mean_are_changed(alignment: Any) -> None:
    statistics = statistics_of(pictures(7, seed=1))
    assert statistics.mean_image is not None
    images, mean_image = tensor(pictures()), statistics.mean_image.copy()
    preprocessing = Preprocessing.of(small(mean_alignment=alignment), statistics)
    first = preprocessing.views(images, center)
    assert torch.equal(images, tensor(pictures()))
    assert torch.equal(preprocessing.views(images, center), first)
    np.testing.assert_array_equal(statistics.mean_image, mean_image)


def test_a_mean_image_that_was_resized_before_serves_its_own_side_only() -> None:
    def made() -> Preprocessing:
        return Preprocessing.of(small(mean_alignment="picture"), statistics_of(pictures(7, side=40, seed=1)))

    sides = (15, 18, SIDE, 15, SIDE, 18)
    images = {side: tensor(pictures(2, side)) for side in sides}
    fresh = {side: made().views(each, center, enlarge=False) for side, each in images.items()}
    one = made()
    with torch.inference_mode():
        one.views(images[15], center, enlarge=False)
    for side in sides:
        assert torch.equal(one.views(images[side], center, enlarge=False), fresh[side])
    (first, second, third) = (fresh[side][0] for side in (15, 18, SIDE))
    assert not torch.equal(first, second) and not torch.equal(second, third)


@pytest.mark.parametrize("side", [9, SIDE])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_the_memory_layout_of_the_pictures_leaves_no_trace(side: int, order: Any) -> None:
    images = tensor(pictures(side=side))
    preprocessing = Preprocessing.of(small(order=order), statistics_of(pictures()))
    views, of_planes = (preprocessing.views(x, center) for x in (images, images.contiguous()))
    assert views.is_contiguous()
    assert of_planes.is_contiguous()
    assert torch.equal(views, of_planes)


def test_a_view_larger_than_the_square_is_refused() -> None:
    preprocessing = Preprocessing.of(Input(size=30, resize=20, mean=(0.0, 0.0, 0.0)), None)
    with pytest.raises(ImageTooSmall, match="30x30"):
        preprocessing.views(tensor(pictures()), lambda images: center_view(images, 30))


def test_a_missing_mean_image_is_named() -> None:
    statistics = replace(statistics_of(pictures()), mean_image=None)
    with pytest.raises(DataError, match=r"mean\.npy"):
        Preprocessing.of(small(mean="image"), statistics)


@pytest.mark.parametrize("name", LINEAGES)
def test_every_lineage_passes_its_input_on(name: str) -> None:
    wanted, preprocessing = LINEAGES[name].input, Preprocessing.of(LINEAGES[name].input, statistics_of(pictures()))
    for key in ("size", "order", "range", "std", "resize", "fit", "mean_alignment"):
        assert getattr(preprocessing, key) == getattr(wanted, key)


@pytest.mark.parametrize("name", LINEAGES)
def test_every_lineage_comes_back_from_json(name: str) -> None:
    statistics = statistics_of(pictures())
    preprocessing = Preprocessing.of(LINEAGES[name].input, statistics)
    values = json.loads(json.dumps(preprocessing.to_dict()))
    assert Preprocessing.from_dict(values, preprocessing.mean_image) == preprocessing


def test_equality_sees_the_mean_image() -> None:
    preprocessing = Preprocessing.of(small(), statistics_of(pictures()))
    assert preprocessing.mean_image is not None
    assert preprocessing == replace(preprocessing, mean_image=preprocessing.mean_image.copy())
    assert preprocessing != replace(preprocessing, mean_image=preprocessing.mean_image + 1)
    assert preprocessing != replace(preprocessing, mean_image=None)
    assert preprocessing != replace(preprocessing, order="BGR")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": "RBG"}, "order is 'RBG'; expected RGB or BGR"),
        ({"range": 100}, "range is 100; expected 1 or 255"),
        ({"size": 0}, "size is 0"),
        ({"size": True}, "size is True"),
        ({"resize": 227.5}, "resize is 227.5"),
        ({"mean": [1, 2]}, "mean is [1, 2]; expected three numbers"),
        ({"mean": [1, 2, "3"]}, "mean is"),
        ({"mean": [1, 2, float("nan")]}, "mean is"),
        ({"std": [1, 0, 1]}, "std is [1, 0, 1]; expected three positive"),
        ({"fit": ["short"]}, "fit is ['short']; expected short or warp"),
        ({"mean_alignment": "left"}, "mean_alignment is 'left'"),
        ({"size": 21}, "size 21 do not fit into resize 20"),
        ({"colour": 1}, "colour is unknown"),
    ],
)
def test_what_a_file_gets_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    values = Preprocessing.of(small(mean=(1.0, 2.0, 3.0)), None).to_dict()
    with pytest.raises(WeightsError) as caught:
        Preprocessing.from_dict({**values, **changes})
    assert message in str(caught.value)


def test_a_missing_key_is_named() -> None:
    values = Preprocessing.of(small(mean=(1.0, 2.0, 3.0)), None).to_dict()
    del values["std"]
    with pytest.raises(WeightsError, match="std is missing"):
        Preprocessing.from_dict(values)


def test_a_mean_image_of_another_shape_is_refused() -> None:
    values = Preprocessing.of(small(mean=(1.0, 2.0, 3.0)), None).to_dict()
    with pytest.raises(WeightsError, match=r"\(3, 20, 20\)"):
        Preprocessing.from_dict(values, np.zeros((3, 20, 20), np.float32))
