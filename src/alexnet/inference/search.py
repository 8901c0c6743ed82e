"""Pictures of an index that look alike to a network: the paper's figure 4, right."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from alexnet.errors import DataError, UsageError
from alexnet.inference.classifier import Classifier
from alexnet.inference.features import Progress, features
from alexnet.inference.index import Index
from alexnet.inference.nearest import Metric, nearest
from alexnet.inference.predict import Unreadable
from alexnet.inference.sources import Source


@dataclass(frozen=True)
class Neighbour:
    """A picture of an index, its row there, and how far it is from the one asked about."""

    path: str
    distance: float
    row: int

    def to_json(self) -> dict[str, Any]:
        """Path and distance."""
        return {"path": self.path, "distance": self.distance}


@dataclass(frozen=True)
class Match:
    """A picture, and its neighbours, nearest first."""

    image: str
    neighbours: tuple[Neighbour, ...]

    def to_json(self) -> dict[str, Any]:
        """Fields as `alexnet search --json` prints them."""
        return {"image": self.image, "neighbours": [each.to_json() for each in self.neighbours]}


@dataclass(frozen=True)
class Found:
    """All matches, and the pictures that could not be read."""

    matches: tuple[Match, ...]
    skipped: tuple[Unreadable, ...]


def search(
    classifier: Classifier,
    index: Index,
    pictures: Source | Iterable[Source],
    top: int = 6,
    metric: Metric = "euclidean",
    progress: Progress | None = None,
) -> Found:
    """Return the pictures of an index that are nearest to each of `pictures` in its layer's features.

    A picture that is in the index itself is not among its own neighbours. Features are rounded to float16 as the
    index holds them, so that equal pictures are at distance 0 but for the last bits of a batch.

    Args:
        classifier: the network that made the index.
        index: see `open_index`.
        pictures: files, folders (searched through), globs, PIL images, bytes of a file; one or many.
        top: neighbours of each.
        metric: "euclidean", as the paper has it, or "cosine": 1 minus the cosine of the angle.
        progress: called with (rows of the index done, rows in all).

    Raises:
        UsageError: another network made the index, or `top` or `metric` cannot be so.
        DataError: no picture could be read.
    """
    if top < 1 or metric not in get_args(Metric):
        raise UsageError(f"top is {top} and metric {metric!r}; expected at least 1, and one of {get_args(Metric)}.")
    index.require(classifier)
    return search_trusted(classifier, index, pictures, top, metric, progress)


def search_trusted(
    classifier: Classifier,
    index: Index,
    pictures: Source | Iterable[Source],
    top: int = 6,
    metric: Metric = "euclidean",
    progress: Progress | None = None,
) -> Found:
    """As `search`, for a network that is known to have made the index: looking that up reads all its weights."""
    asked = features(classifier, pictures, [index.about.layer])
    if not asked.paths:
        reasons = "; ".join(f"{each.image}: {each.reason}" for each in asked.skipped[:1]) or "none was named"
        raise DataError(f"there is no picture to search with: {reasons}")
    queries = asked[index.about.layer].astype(np.float16).astype(np.float32)
    places, distances = nearest(index.rows, index.squares, queries, top + 1, metric, progress)  # one may be itself
    names = index.names(places.ravel().tolist())
    matches = []
    for image, row, far in zip(asked.paths, places.tolist(), distances.tolist(), strict=True):
        every = (Neighbour(names[place], distance, place) for place, distance in zip(row, far, strict=True))
        others = [each for each in every if not _is_same(index.path(each.path), image)]
        matches.append(Match(image, tuple(others[:top])))
    return Found(tuple(matches), asked.skipped)


def _is_same(path: Path, image: str) -> bool:
    return path.absolute() == Path(image).absolute()
