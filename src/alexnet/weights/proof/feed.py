"""A picture as the publisher of a kind of file feeds it, said here once more, in numpy.

`Preprocessing` is what is to be proved, so nothing of it is used but numbers that are the file's own: the mean.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from alexnet.data.picture import read_picture, to_square
from alexnet.errors import UsageError
from alexnet.lineages.spec import Order
from alexnet.weights.load import ASSETS
from alexnet.weights.opened import FILE, Opened

PICTURE = ASSETS / "photos" / "chelsea.jpg"


@dataclass(frozen=True)
class Feed:
    """How pixels become input.

    Attributes:
        source: whose way it is, behind "fed".
        std: divisor, RGB, on the scale of `range`.
        mean: on 0-255, RGB; None: what the file or the user says.
    """

    source: str
    order: Order
    range: int = 255
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    mean: tuple[float, float, float] | None = None


CAFFE = Feed("as Caffe's programs do", "BGR")
TORCHVISION = Feed(
    "as torchvision's transforms do", "RGB", 1, (0.229, 0.224, 0.225), (0.485 * 255, 0.456 * 255, 0.406 * 255)
)
BY_TRAINER = {"BVLC/caffe": CAFFE, "pytorch/vision": TORCHVISION}
# Programs that fix the order of colours whatever net a file of theirs holds.
BY_FORMAT: dict[str, tuple[Order, str]] = {
    "caffemodel": ("BGR", CAFFE.source),
    "npy": ("BGR", "as caffe-tensorflow does"),
    "mat": ("RGB", "as MatConvNet does"),
    "cuda-convnet": ("RGB", "as cuda-convnet does"),
    "theano": ("RGB", "as theano_alexnet does"),
    "caffe2": ("BGR", "as Caffe2 does"),
}


def feed_of(opened: Opened) -> Feed:
    """Who feeds such a file, and how: the file's own word, the program of its kind, who trained the network."""
    facts, lineage = opened.facts, opened.weights.lineage
    if facts["order"].source == FILE:
        return Feed("as the file itself says", facts["order"].value, facts["range"].value, tuple(facts["std"].value))
    trainers = [feed for trainer, feed in BY_TRAINER.items() if trainer in lineage.source]
    feed = trainers[0] if trainers else Feed(f"as {lineage.name} was trained", "RGB")
    if opened.kind in BY_FORMAT:
        order, source = BY_FORMAT[opened.kind]
        return replace(feed, order=order, source=source)
    return feed


def square_picture(side: int, picture: Path = PICTURE) -> np.ndarray:
    """A picture as a square, (side, side, 3) uint8 RGB.

    Raises:
        UnreadablePicture: it cannot be read.
        UsageError: it is gray: no order of colours could be told by it.
    """
    square = to_square(read_picture(picture), side, "short")
    if (square[..., 0] == square[..., 2]).all():
        raise UsageError(f"{picture} is gray, so it cannot tell red from blue. Name a picture in colour.")
    return square


def fed(opened: Opened, square: np.ndarray) -> np.ndarray:
    """The centre of a square as the publisher feeds it: (3, S, S) float64."""
    feed, preprocessing = feed_of(opened), opened.weights.preprocessing
    pixels = _no_sharper(square, preprocessing.detail).astype(np.float64)
    mean = np.array(feed.mean or preprocessing.mean)
    if preprocessing.mean_image is not None:
        mean = _as_large(opened, len(square))
    start, size = (len(square) - preprocessing.size) // 2, preprocessing.size
    view = (pixels - mean)[start : start + size, start : start + size]
    view = view * (feed.range / 255) / np.array(feed.std)
    planes = view[..., ::-1] if feed.order == "BGR" else view
    return np.ascontiguousarray(planes.transpose(2, 0, 1))


def _no_sharper(square: np.ndarray, detail: int | None) -> np.ndarray:
    """The square by way of a smaller one, where the network learnt from such; resizing is not what is to be proved."""
    if detail is None or len(square) <= detail:
        return square
    image = torch.from_numpy(square.transpose(2, 0, 1)[None].astype(np.float32))
    for side in (detail, len(square)):
        image = F.interpolate(image, size=(side, side), mode="bilinear", antialias=True)
    return image[0].numpy().transpose(1, 2, 0)


def _as_large(opened: Opened, side: int) -> np.ndarray:
    """The mean image; brought to another side as `Preprocessing` does, which is not what is to be proved."""
    image = opened.weights.preprocessing.mean_image
    assert image is not None
    if len(image) == side:
        return np.asarray(image, np.float64)
    return opened.weights.preprocessing.mean_at(side).numpy().transpose(1, 2, 0).astype(np.float64)
