"""What is on each picture: a stream of predictions whose memory does not grow with its length."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from alexnet.errors import UsageError
from alexnet.inference.sources import Source
from alexnet.inference.squares import Decoded, decoded, stacked

if TYPE_CHECKING:
    from alexnet.inference.classifier import Classifier


@dataclass(frozen=True)
class Guess:
    """One class, and how likely the network thinks it."""

    index: int
    label: str
    prob: float


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of one picture, likeliest first."""

    image: str
    top: tuple[Guess, ...]

    def to_json(self) -> dict[str, Any]:
        """Fields as `alexnet predict --json` prints them."""
        return {"image": self.image, "top": [asdict(guess) for guess in self.top]}


@dataclass(frozen=True)
class Unreadable:
    """A source that no picture could be made of, and why."""

    image: str
    reason: str


def predict_stream(
    classifier: "Classifier",
    sources: Source | Iterable[Source],
    *,
    top: int = 5,
    views: int = 1,
    batch_size: int = 64,
    workers: int | None = None,
) -> Iterator[Prediction | Unreadable]:
    """Predict picture after picture, in order, while threads decode the next ones.

    Args:
        classifier: see `load`.
        sources: files, folders (searched through), globs, PIL images, bytes of a file. An iterator is followed as
            it goes, a few batches ahead.
        top: how many classes of each to name; all, if there are fewer.
        views: 1, or the paper's 10.
        batch_size: views in one pass through the network.
        workers: threads that decode; None is one per core.

    Returns:
        One result per picture: what cannot be read is an `Unreadable`, and the stream goes on.

    Raises:
        UsageError: `top`, `views` or `batch_size` cannot be so; said before the first picture is read.
    """
    if top < 1:
        raise UsageError(f"top is {top}; name at least 1 class.")
    count = classifier.pictures_per_pass(views, batch_size)
    batches = decoded(sources, classifier.preprocessing, count, workers)
    return _predicted(classifier, batches, top, views)


def _predicted(
    classifier: "Classifier", batches: Iterator[list[Decoded]], top: int, views: int
) -> Iterator[Prediction | Unreadable]:
    for batch in batches:
        squares = [square for _, square in batch if not isinstance(square, str)]
        tops = iter(_tops(classifier, squares, top, views))
        for name, square in batch:
            yield Unreadable(name, square) if isinstance(square, str) else Prediction(name, next(tops))


def _tops(classifier: "Classifier", squares: list[np.ndarray], top: int, views: int) -> list[tuple[Guess, ...]]:
    return likeliest(classifier, classifier.probs(stacked(squares), views), top) if squares else []


def likeliest(classifier: "Classifier", probs: Tensor, top: int) -> list[tuple[Guess, ...]]:
    """The `top` classes of each row of probabilities (B, K), likeliest first; all, if there are fewer."""
    best = probs.topk(min(top, probs.shape[1]))
    return [
        tuple(Guess(index, classifier.label(index), prob) for prob, index in zip(*row, strict=True))
        for row in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]
