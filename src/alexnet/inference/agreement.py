"""Whether an exported network answers as ours does: both on the same pictures, compared before the softmax.

B pictures, S stored side, K classes.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from alexnet.data.picture import read_picture, to_square
from alexnet.data.views import center_view
from alexnet.errors import DataError, MissingExtra
from alexnet.inference.classifier import Classifier
from alexnet.inference.layers import layer_outputs
from alexnet.inference.sources import Source, expand, photo_files
from alexnet.inference.squares import stacked
from alexnet.weights.formats.onnx_picture import PICTURES

GraphInput = Literal["images", "picture"]
IMAGES = "images"
PICTURES_COMPARED = 64  # at most; two different networks differ on the first
WHOLE_PICTURES = 8  # of them are kept as they are decoded, of whatever size


@dataclass(frozen=True)
class Agreement:
    """How far two networks are apart on pictures.

    Attributes:
        pictures: how many were compared.
        relative_error: the largest, over pictures, of the largest difference of two logits by the largest logit.
        same_top1: share of pictures with the same likeliest class, 0..1.
        same_top5: share of pictures with the same five likeliest classes in any order.
    """

    pictures: int
    relative_error: float
    same_top1: float
    same_top5: float

    def to_json(self) -> dict[str, Any]:
        """Fields as `alexnet export --json` prints them."""
        return asdict(self)

    @classmethod
    def of(cls, found: np.ndarray, expected: np.ndarray) -> "Agreement":
        """Compare logits (B, K) picture by picture."""
        largest = np.abs(expected).max(axis=1).clip(min=np.finfo(np.float32).tiny)
        errors = np.abs(found - expected).max(axis=1) / largest
        first = found.argmax(axis=1) == expected.argmax(axis=1)
        five = [set(a) == set(b) for a, b in zip(_best(found), _best(expected), strict=True)]
        return cls(len(found), float(errors.max()), float(first.mean()), float(np.mean(five)))


@dataclass(frozen=True, eq=False)
class Sample:
    """Pictures that networks are compared on.

    Attributes:
        squares: (B, S, S, 3) uint8 RGB, as views are cut from them.
        whole: the first of them as they are decoded, (H, W, 3).
    """

    squares: np.ndarray
    whole: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, classifier: Classifier, sources: Source | Iterable[Source] | None) -> "Sample":
        """Read the first pictures of `sources` that can be read; of the packaged photos if it is None.

        Raises:
            DataError: none can be read.
        """
        sources = photo_files() if sources is None else sources
        pictures = list(islice(_readable(sources), PICTURES_COMPARED))
        if not pictures:
            raise DataError("no picture that the export could be compared on can be read. Name others with --check.")
        preprocessing = classifier.preprocessing
        squares = [to_square(picture, preprocessing.side, preprocessing.fit) for picture in pictures]
        return cls(np.stack(squares), tuple(np.asarray(picture) for picture in pictures[:WHOLE_PICTURES]))


def _readable(sources: Source | Iterable[Source]) -> Iterator[Image.Image]:
    for found in expand(sources):
        if not isinstance(found.content, DataError):
            with suppress(DataError):
                yield read_picture(found.content, found.name)


def our_logits(classifier: Classifier, squares: np.ndarray) -> np.ndarray:
    """What our network gives for the centre view of squares: (B, K)."""
    head = classifier.lineage.head
    return layer_outputs(classifier, stacked(list(squares)), [head])[head].float().cpu().numpy()


def graph_inputs(classifier: Classifier, squares: np.ndarray, input: GraphInput) -> Iterator[dict[str, np.ndarray]]:
    """What an exported graph is fed for each square."""
    for square in squares:
        yield {PICTURES: square[None]} if input == "picture" else {IMAGES: _view(classifier, square)}


def onnx_logits(path: Path, inputs: Iterable[dict[str, np.ndarray]]) -> np.ndarray:
    """What onnxruntime gives for each of `inputs` on the processor: (B, K).

    Raises:
        MissingExtra: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtra("onnxruntime", "onnx") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; its other remarks are for authors of graphs
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["logits"], fed)[0] for fed in inputs])


def _view(classifier: Classifier, square: np.ndarray) -> np.ndarray:
    preprocessing = classifier.preprocessing
    return preprocessing.views(stacked([square]), lambda pictures: center_view(pictures, preprocessing.size)).numpy()


def _best(logits: np.ndarray) -> list[list[int]]:
    ranked: list[list[int]] = np.argsort(-logits, axis=1, kind="stable")[:, :5].tolist()
    return ranked
