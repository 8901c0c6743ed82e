"""Mean, mean image and colour covariance of a training set: exact integer sums, turned into floats once.

Sums of integers do not depend on the order in which they are made, so any number of threads, and a run that was
interrupted, end with the same numbers to the last bit. Values are RGB on 0-255; S is the side of a picture.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from alexnet.data.ordered import ordered_map
from alexnet.errors import DataError, UnreadablePicture

if TYPE_CHECKING:
    from alexnet.data.source import Pictures

# int64 holds the products of this many pixels: 1.4e14, or 2.1e9 pictures of 256x256.
MAX_PIXELS = (2**63 - 1) // 255**2


@dataclass(frozen=True, eq=False)
class Statistics:
    """What normalisation and colour noise need to know about a training set.

    Attributes:
        count: pictures that were measured.
        mean: (3,) over all pixels.
        covariance: (3, 3) over all pixels of the set, not per picture; divided by their number.
        eigenvalues: (3,) of the covariance, largest first.
        eigenvectors: (3, 3), one column for each eigenvalue. Its largest entry is positive, since a sign is free.
        mean_image: (S, S, 3) float32, or None where only the figures are known.
    """

    count: int
    mean: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]
    eigenvalues: npt.NDArray[np.float64]
    eigenvectors: npt.NDArray[np.float64]
    mean_image: npt.NDArray[np.float32] | None = None

    def to_json(self) -> dict[str, Any]:
        """All but the mean image, as JSON can hold it; floats come back to the last bit."""
        return {"count": self.count} | {key: getattr(self, key).tolist() for key in _SHAPES}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], mean_image: npt.NDArray[np.float32] | None = None) -> Self:
        """Read what `to_json` gave; other keys are left alone.

        Raises:
            DataError: names the key that is missing or has another shape; the caller adds the file.
        """
        arrays = {key: _array(values, key, shape) for key, shape in _SHAPES.items()}
        count = values.get("count")
        if not isinstance(count, int) or count < 1:
            raise DataError(f"count is {count!r}; expected the number of pictures that were measured.")
        return cls(count=count, **arrays, mean_image=mean_image)


_SHAPES = {"mean": (3,), "covariance": (3, 3), "eigenvalues": (3,), "eigenvectors": (3, 3)}


class Moments:
    """Exact sums over pictures of one size: their number, their sum image and the products of their channels.

    `total` is (S, S, 3) and `products` (3, 3), both int64; no more than MAX_PIXELS pixels fit.
    """

    def __init__(self, side: int) -> None:
        self.count = 0
        self.total = np.zeros((side, side, 3), np.int64)
        self.products = np.zeros((3, 3), np.int64)

    def add(self, picture: npt.NDArray[np.uint8]) -> None:
        """Add one picture (S, S, 3)."""
        assert picture.shape == self.total.shape and picture.dtype == np.uint8, f"{picture.dtype} {picture.shape}"
        # Whole numbers below 2**53 are exact in float64, whatever order BLAS adds them in, and int64 has no BLAS.
        # Row by row, since for one large product BLAS would wake threads of its own beside ours.
        rows = picture.astype(np.float64)  # (S, S, 3)
        self._add(1, picture, (rows.transpose(0, 2, 1) @ rows).sum(axis=0).astype(np.int64))  # (3, 3)

    def merge(self, other: "Moments") -> None:
        """Add the pictures of `other`."""
        self._add(other.count, other.total, other.products)

    def _add(self, count: int, total: npt.NDArray[Any], products: npt.NDArray[np.int64]) -> None:
        self.count += count
        self.total += total
        self.products += products
        assert self.count * self.total[..., 0].size <= MAX_PIXELS, "the sums have left int64"

    def finish(self) -> Statistics:
        """The statistics of what was added; at least one picture."""
        assert self.count, "no picture was added"
        pixels = self.count * self.total[..., 0].size
        sums = [int(value) for value in self.total.sum(axis=(0, 1))]
        covariance = np.array(
            # Python's integers do not overflow and divide with one rounding: nothing cancels.
            [[(pixels * int(self.products[i, j]) - sums[i] * sums[j]) / pixels**2 for j in range(3)] for i in range(3)]
        )
        eigenvalues, eigenvectors = _principal_axes(covariance)
        return Statistics(
            count=self.count,
            mean=np.array([value / pixels for value in sums]),
            covariance=covariance,
            eigenvalues=eigenvalues,
            eigenvectors=eigenvectors,
            mean_image=(self.total / self.count).astype(np.float32),
        )


def measure(pictures: "Pictures", limit: int = 2000) -> Statistics:
    """The statistics of at most `limit` pictures, evenly spaced: for a source that was not prepared.

    Unreadable pictures are left out of the sample; whoever reads the whole source counts and names them.

    Raises:
        DataError: not one picture of the sample can be read.
    """
    count = len(pictures)
    sample = np.linspace(0, count - 1, min(count, limit)).round().astype(np.int64)
    moments = Moments(pictures.side)
    for picture in _readable(pictures, sample):
        moments.add(picture)
    if not moments.count:
        raise DataError(f"none of {len(sample)} pictures could be read. Look at them with `alexnet data inspect`.")
    return moments.finish()


def _readable(pictures: "Pictures", indices: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.uint8]]:
    def read(index: int) -> npt.NDArray[np.uint8] | None:
        try:
            return pictures.read(index)
        except UnreadablePicture:
            return None

    return (picture for picture in ordered_map(read, indices.tolist()) if picture is not None)


def _principal_axes(covariance: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Eigenvalues (3,), largest first, and the eigenvectors (3, 3) in the columns."""
    values, vectors = np.linalg.eigh(covariance)  # smallest first
    values, vectors = values[::-1].copy(), vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(3)])
    return values, vectors * signs


def _array(values: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    try:
        array = np.array(values[key], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        array = np.empty(0)
    if array.shape != shape or not np.isfinite(array).all():
        raise DataError(f"{key} is {values.get(key)!r}; expected finite numbers of shape {shape}.")
    return array
