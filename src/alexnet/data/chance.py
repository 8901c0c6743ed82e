"""Randomness as a pure function of (seed, epoch, position), so that any batch can be made again on its own.

Only raw Philox bits are used: numpy keeps those the same for ever, its `permutation` and `random` may change.
"""

from typing import cast

import numpy as np

ORDER, DRAWS, MIX = 0, 1, 2  # streams of one (seed, epoch) that never meet: they start 2**192 blocks apart
BLOCK = 4  # numbers of 64 bits in one step of Philox's counter


def permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order in which an epoch visits `count` pictures: (count,) int64."""
    return np.argsort(_bits(seed, epoch, ORDER, 0, count), kind="stable")


def draws(seed: int, epoch: int, start: int, count: int, width: int, stream: int = DRAWS) -> np.ndarray:
    """Uniform numbers for the positions `start` to `start + count` of an epoch's order.

    A row belongs to its position, however the epoch is cut into batches, and costs the same anywhere in the epoch.

    Returns:
        (count, width) float64 in [0, 1).
    """
    bits = _bits(seed, epoch, stream, start * width, count * width)
    return ((bits >> np.uint64(11)) * 2.0**-53).reshape(count, width)


def draws_at(seed: int, epoch: int, positions: np.ndarray, width: int, stream: int = DRAWS) -> np.ndarray:
    """The rows of `draws` of some positions, (B,) in rising order: (B, width)."""
    if not len(positions):
        return np.zeros((0, width))
    first, last = int(positions[0]), int(positions[-1])
    rows: np.ndarray = draws(seed, epoch, first, last + 1 - first, width, stream)[positions - first]
    return rows


def _bits(seed: int, epoch: int, stream: int, start: int, count: int) -> np.ndarray:
    """The numbers `start` to `start + count` of a stream: (count,) uint64."""
    blocks, skipped = divmod(start, BLOCK)
    philox = np.random.Philox(key=epoch << 64 | seed % 2**64, counter=stream << 192)
    philox.advance(blocks)
    return cast("np.ndarray", philox.random_raw(skipped + count))[skipped:]
