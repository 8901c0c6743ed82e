"""Exact sums against numpy's own mean and covariance of every pixel in float64."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet.data.statistics import MAX_PIXELS, Moments, Statistics, measure
from alexnet.errors import DataError, UnreadablePicture

SIDE = 12


def drawn(count: int, seed: int = 0) -> np.ndarray:
    """Pictures (count, SIDE, SIDE, 3) whose channels go together, as those of photographs do."""
    random = np.random.default_rng(seed)
    gray = random.integers(0, 200, (count, SIDE, SIDE, 1))
    return (gray + random.integers(0, 56, (count, SIDE, SIDE, 3))).astype(np.uint8)


def summed(pictures: np.ndarray) -> Moments:
    moments = Moments(pictures.shape[1])
    for picture in pictures:
        moments.add(picture)
    return moments


class Drawn:
    """A source of pictures that remembers which were read; those in `bad` are refused."""

    classes: tuple[str, ...] = ("only",)
    side = SIDE

    def __init__(self, pictures: np.ndarray, bad: frozenset[int] = frozenset()) -> None:
        self.pictures, self.bad = pictures, bad
        self.labels = np.zeros(len(pictures), np.int32)
        self.read_so_far: list[int] = []

    def __len__(self) -> int:
        return len(self.pictures)

    def name(self, index: int) -> str:
        return f"{index}.png"

    def read(self, index: int) -> np.ndarray:
        self.read_so_far.append(index)
        if index in self.bad:
            raise UnreadablePicture(f"{index}.png: torn")
        picture: np.ndarray = self.pictures[index]
        return picture


def test_covariance_is_that_of_all_pixels_of_the_set() -> None:
    pictures = drawn(7)
    expected = np.cov(pictures.reshape(-1, 3).astype(np.float64), rowvar=False, bias=True)
    np.testing.assert_allclose(summed(pictures).finish().covariance, expected, rtol=1e-12)


def test_covariance_of_the_set_is_not_the_mean_of_the_pictures_covariances() -> None:
    pictures = np.stack([np.full((SIDE, SIDE, 3), value, np.uint8) for value in (0, 100)])
    np.testing.assert_array_equal(summed(pictures).finish().covariance, np.full((3, 3), 2500.0))


def test_means_are_over_pixels_and_over_pictures() -> None:
    pictures = drawn(5)
    statistics = summed(pictures).finish()
    np.testing.assert_allclose(statistics.mean, pictures.astype(np.float64).mean(axis=(0, 1, 2)), rtol=1e-14)
    assert statistics.mean_image is not None and statistics.mean_image.dtype == np.float32
    np.testing.assert_array_equal(statistics.mean_image, pictures.astype(np.float64).mean(axis=0).astype(np.float32))
    assert statistics.count == 5


def test_mean_is_in_rgb_order() -> None:
    picture = np.empty((SIDE, SIDE, 3), np.uint8)
    picture[:] = (10, 20, 30)
    np.testing.assert_array_equal(summed(picture[None]).finish().mean, [10.0, 20.0, 30.0])


def test_a_uniform_set_has_no_variance_at_all() -> None:
    statistics = summed(np.full((3, SIDE, SIDE, 3), 255, np.uint8)).finish()
    np.testing.assert_array_equal(statistics.covariance, np.zeros((3, 3)))
    np.testing.assert_array_equal(statistics.eigenvalues, np.zeros(3))


def test_one_odd_pixel_in_many_is_not_lost_to_rounding() -> None:
    """Textbook float sums, E[xx] - E[x]E[x], lose it: the true variance is 1e-12 of the mean of the squares."""
    moments = summed(np.full((1, SIDE, SIDE, 3), 255, np.uint8))
    for _ in range(33):  # 2**33 pictures' worth of sums, within what int64 holds
        moments.merge(moments)
    odd = np.full((1, SIDE, SIDE, 3), 255, np.uint8)
    odd[0, 0, 0] = 254
    moments.merge(summed(odd))
    pixels = (2**33 + 1) * SIDE**2
    expected = float(Fraction(1, pixels) - Fraction(1, pixels) ** 2)
    np.testing.assert_array_equal(moments.finish().covariance, np.full((3, 3), expected))


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(6)), st.integers(0, 6), st.integers(0, 6))
def test_sums_do_not_depend_on_order_or_on_how_the_work_is_shared(order: list[int], first: int, second: int) -> None:
    pictures, (start, stop) = drawn(6), sorted((first, second))
    merged = Moments(SIDE)
    for part in (order[stop:], order[:start], order[start:stop]):
        merged.merge(summed(pictures[part].reshape(-1, SIDE, SIDE, 3)))
    whole = summed(pictures)
    assert json.dumps(merged.finish().to_json()) == json.dumps(whole.finish().to_json())
    np.testing.assert_array_equal(merged.total, whole.total)


def test_merging_leaves_the_other_sums_as_they_were() -> None:
    ours, theirs = summed(drawn(2)), summed(drawn(3, seed=1))
    total = theirs.total.copy()
    ours.merge(theirs)
    ours.merge(theirs)
    np.testing.assert_array_equal(theirs.total, total)
    assert theirs.count == 3 and ours.count == 8


def test_the_limit_fills_int64_and_no_more() -> None:
    assert MAX_PIXELS * 255**2 < 2**63 <= (MAX_PIXELS + 1) * 255**2


def test_sums_beyond_the_limit_are_caught() -> None:
    moments = summed(drawn(1))
    moments.count = MAX_PIXELS // SIDE**2
    with pytest.raises(AssertionError, match="int64"):
        moments.add(drawn(1)[0])


def test_eigenvectors_are_columns_that_rebuild_the_covariance() -> None:
    statistics = summed(drawn(9)).finish()
    vectors = statistics.eigenvectors
    np.testing.assert_allclose(vectors @ np.diag(statistics.eigenvalues) @ vectors.T, statistics.covariance, rtol=1e-9)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)


def test_eigenvalues_come_largest_first_and_signs_are_settled() -> None:
    statistics = summed(drawn(9)).finish()
    assert statistics.eigenvalues[0] > statistics.eigenvalues[1] > statistics.eigenvalues[2] > 0
    for vector in statistics.eigenvectors.T:
        assert vector[np.abs(vector).argmax()] > 0
    assert (statistics.eigenvectors[:, 0] > 0).all(), "light and dark is the first axis of pictures like photographs"


def test_statistics_survive_json_to_the_last_bit() -> None:
    statistics = summed(drawn(4)).finish()
    again = Statistics.from_json(json.loads(json.dumps(statistics.to_json())), statistics.mean_image)
    for key in ("mean", "covariance", "eigenvalues", "eigenvectors", "mean_image"):
        np.testing.assert_array_equal(getattr(again, key), getattr(statistics, key))
    assert again.count == 4


@pytest.mark.parametrize(
    ("key", "value"),
    [("mean", [1.0, 2.0]), ("covariance", "none"), ("eigenvalues", [1.0, float("nan"), 0.0]), ("count", 0)],
)
def test_damaged_statistics_are_refused_by_key(key: str, value: object) -> None:
    values = summed(drawn(2)).finish().to_json()
    with pytest.raises(DataError, match=key):
        Statistics.from_json({**values, key: value})
    with pytest.raises(DataError, match=key):
        Statistics.from_json({name: kept for name, kept in values.items() if name != key})


def test_measuring_a_small_source_reads_each_picture_once() -> None:
    source = Drawn(drawn(6))
    statistics = measure(source)
    assert sorted(source.read_so_far) == list(range(6))
    assert statistics.to_json() == summed(source.pictures).finish().to_json()


def test_measuring_a_large_source_reads_an_even_sample() -> None:
    source = Drawn(drawn(100))
    assert measure(source, limit=10).count == 10
    assert sorted(source.read_so_far) == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]


def test_measuring_leaves_unreadable_pictures_out() -> None:
    source = Drawn(drawn(6), bad=frozenset({0, 3}))
    assert measure(source).to_json() == summed(source.pictures[[1, 2, 4, 5]]).finish().to_json()


def test_measuring_nothing_readable_is_an_error() -> None:
    with pytest.raises(DataError, match="none of 3 pictures"):
        measure(Drawn(drawn(3), bad=frozenset(range(3))))
