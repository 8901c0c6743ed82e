"""Pictures as vectors: what chosen layers make of each, in the order of the pictures.

N pictures, B of them at a time, D features of a layer: all its numbers, channel by channel, row by row.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alexnet.inference.layers import layer_outputs, layer_shapes
from alexnet.inference.predict import Unreadable
from alexnet.inference.sources import Source, expand, listed
from alexnet.inference.squares import decoded, stacked

if TYPE_CHECKING:
    from alexnet.inference.classifier import Classifier

Progress = Callable[[int, int], None]
LAYER = "fc7"  # the last hidden one, as in the paper's figure 4


@dataclass(frozen=True, eq=False)
class LayerFeatures(Mapping[str, np.ndarray]):
    """Features by layer, `features["fc7"]` (N, D) float32, and the pictures they belong to.

    Attributes:
        arrays: by name of the layer.
        paths: of the N pictures, in order.
        skipped: what could not be read, and why.
    """

    arrays: dict[str, np.ndarray]
    paths: tuple[str, ...]
    skipped: tuple[Unreadable, ...] = ()

    def __getitem__(self, layer: str) -> np.ndarray:
        return self.arrays[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


@dataclass(frozen=True, eq=False)
class Rows:
    """The features of the readable ones among a few pictures that follow each other.

    Attributes:
        arrays: (B, D) float32 by name of the layer.
        seen: pictures so far, those that could not be read too.
    """

    paths: tuple[str, ...]
    arrays: dict[str, np.ndarray]
    skipped: tuple[Unreadable, ...]
    seen: int


def feature_stream(
    classifier: "Classifier",
    sources: Source | Iterable[Source],
    layers: Sequence[str] = (LAYER,),
    *,
    batch_size: int = 64,
    workers: int | None = None,
) -> Iterator[Rows]:
    """Yield the features of `sources`, batch by batch; memory does not grow with their number.

    Raises:
        UsageError: no such layer, or no batch at all; said before the first picture is read.
    """
    layer_shapes(classifier, layers)
    count = classifier.pictures_per_pass(1, batch_size)
    return _rows(classifier, sources, tuple(layers), count, workers)


def _rows(
    classifier: "Classifier", sources: Source | Iterable[Source], layers: Sequence[str], count: int, workers: int | None
) -> Iterator[Rows]:
    seen = 0
    for batch in decoded(sources, classifier.preprocessing, count, workers):
        seen += len(batch)
        squares = [square for _, square in batch if not isinstance(square, str)]
        names = tuple(name for name, square in batch if not isinstance(square, str))
        skipped = tuple(Unreadable(name, square) for name, square in batch if isinstance(square, str))
        yield Rows(names, _features(classifier, squares, layers), skipped, seen)


def _features(classifier: "Classifier", squares: list[np.ndarray], layers: Sequence[str]) -> dict[str, np.ndarray]:
    if not squares:
        return {}
    outputs = layer_outputs(classifier, stacked(squares), layers)
    return {name: output.flatten(1).float().cpu().numpy() for name, output in outputs.items()}


def features(
    classifier: "Classifier",
    sources: Source | Iterable[Source],
    layers: Sequence[str] = (LAYER,),
    *,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> LayerFeatures:
    """Return what `layers` make of the centre of each picture, all in memory; `write_features` fills a file instead.

    Args:
        classifier: see `load`.
        sources: files, folders (searched through), globs, PIL images, bytes of a file; one or many.
        layers: names of rows of the lineage's table; each is taken behind its activation.
        batch_size: pictures in one pass through the network.
        progress: called with (pictures done, pictures in all).

    Raises:
        UsageError: no such layer; lists the names.
    """
    sources = listed(sources)
    total = sum(1 for _ in expand(sources))
    shapes = layer_shapes(classifier, layers)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in layers}
    paths: list[str] = []
    skipped: list[Unreadable] = []
    for rows in feature_stream(classifier, sources, layers, batch_size=batch_size):
        paths += rows.paths
        skipped += rows.skipped
        for name, array in rows.arrays.items():
            parts[name].append(array)
        if progress is not None:
            progress(rows.seen, total)
    empty = {name: np.zeros((0, int(np.prod(shape))), np.float32) for name, shape in shapes.items()}
    arrays = {name: np.concatenate(found) if found else empty[name] for name, found in parts.items()}
    return LayerFeatures(arrays, tuple(paths), tuple(skipped))
