"""Randomness by position, against Philox written out from its paper."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet.data.chance import draws, draws_at, permutation

MASK = 2**64 - 1


def philox(counter: int, key: tuple[int, int]) -> list[int]:
    """One block of Philox4x64-10 (Salmon et al. 2011, sec. 3.3): 4 numbers of 64 bits."""
    c = [counter >> 64 * n & MASK for n in range(4)]
    k = list(key)
    for _ in range(10):
        a, b = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [b >> 64 ^ c[1] ^ k[0], b & MASK, a >> 64 ^ c[3] ^ k[1], a & MASK]
        k = [k[0] + 0x9E3779B97F4A7C15 & MASK, k[1] + 0xBB67AE8584CAA73B & MASK]
    return c


def test_draws_are_the_philox_stream_of_seed_and_epoch() -> None:
    blocks = [philox((1 << 192) + 1 + n, (7, 3)) for n in range(6)]  # numpy counts up before it makes a block
    expected = [(bits >> 11) / 2**53 for block in blocks for bits in block]
    assert draws(7, 3, 0, 3, 8).ravel().tolist() == expected


def test_permutation_sorts_the_first_philox_stream() -> None:
    bits = [number for n in range(1, 26) for number in philox(n, (7, 3))]
    assert permutation(7, 3, 100).tolist() == sorted(range(100), key=bits.__getitem__)


@given(
    cuts=st.lists(st.integers(0, 9), max_size=12),
    width=st.integers(1, 9),
    seed=st.integers(0, MASK),
    start=st.integers(0, 2**40),
)
def test_rows_are_the_same_however_an_epoch_is_cut(cuts: list[int], width: int, seed: int, start: int) -> None:
    parts, at = [], start
    for count in cuts:
        parts.append(draws(seed, 5, at, count, width))
        at += count
    whole = draws(seed, 5, start, sum(cuts), width)
    assert np.array_equal(np.concatenate([np.empty((0, width)), *parts]), whole)


def test_draws_are_uniform_in_each_column_and_bound_below_one() -> None:
    numbers = draws(0, 0, 0, 20_000, 8)
    assert numbers.shape == (20_000, 8) and numbers.dtype == np.float64
    assert numbers.min() >= 0 and numbers.max() < 1
    for column in numbers.T:
        found, _ = np.histogram(column, bins=100, range=(0, 1))
        assert np.sum((found - 200) ** 2 / 200) < 149  # chi-square of 99 degrees of freedom, 0.1 %
    assert np.abs(np.corrcoef(numbers.T) - np.eye(8)).max() < 0.03


def test_each_picture_comes_first_equally_often() -> None:
    firsts = np.bincount([permutation(seed, epoch, 10)[0] for seed in range(40) for epoch in range(50)], minlength=10)
    assert np.sum((firsts - 200) ** 2 / 200) < 27.9  # chi-square of 9 degrees of freedom, 0.1 %


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 1000])
def test_permutation_visits_each_picture_once(count: int) -> None:
    order = permutation(1, 2, count)
    assert order.dtype == np.int64 and sorted(order.tolist()) == list(range(count))


@pytest.mark.parametrize("make", [lambda s, e: permutation(s, e, 50), lambda s, e: draws(s, e, 0, 5, 2)])
def test_seeds_and_epochs_all_differ(make: Callable[[int, int], np.ndarray]) -> None:
    made = {make(seed, epoch).tobytes() for seed in range(-3, 20) for epoch in range(20)}
    assert len(made) == 23 * 20


def test_swapping_seed_and_epoch_gives_another_order() -> None:
    assert permutation(1, 2, 50).tolist() != permutation(2, 1, 50).tolist()


def test_a_late_batch_costs_as_much_as_the_first() -> None:
    assert draws(0, 0, 10**15, 4, 8).shape == (4, 8)  # would never end if the numbers before it were made


def test_chosen_positions_have_the_rows_that_are_theirs() -> None:
    everything = draws(5, 2, 0, 50, 3)
    chosen = np.array([7, 8, 20, 49])
    np.testing.assert_array_equal(draws_at(5, 2, chosen, 3), everything[chosen])
    assert draws_at(5, 2, chosen[:0], 3).shape == (0, 3)
