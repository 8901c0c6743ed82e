"""Pictures as the squares that views are cut from, decoded by threads, in order."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from alexnet.data.ordered import ordered_map
from alexnet.data.picture import read_picture, to_square
from alexnet.data.preprocess import Preprocessing
from alexnet.data.views import center_view
from alexnet.errors import DataError
from alexnet.inference.sources import Found, Source, expand

Decoded = tuple[str, np.ndarray | str]
"""A picture's name, and its square (S, S, 3) uint8 or why there is none."""


def decoded(
    sources: Source | Iterable[Source], preprocessing: Preprocessing, count: int, workers: int | None = None
) -> Iterator[list[Decoded]]:
    """Yield the pictures of `sources` in lists of `count`, the last one shorter.

    Args:
        sources: see `expand`; an iterator is followed as it goes, a few pictures ahead.
        preprocessing: says how a picture becomes a square.
        count: pictures in a list.
        workers: threads that decode; None is one per core.
    """
    every = ordered_map(partial(_decode, preprocessing=preprocessing), expand(sources), workers)
    while batch := list(islice(every, count)):
        yield batch


def stacked(squares: list[np.ndarray]) -> Tensor:
    """Squares as images (B, 3, S, S) uint8."""
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)


def _decode(found: Found, preprocessing: Preprocessing) -> Decoded:
    if isinstance(found.content, DataError):
        return found.name, str(found.content)
    try:
        picture = read_picture(found.content, found.name)
        return found.name, to_square(picture, preprocessing.side, preprocessing.fit)
    except DataError as error:
        return found.name, str(error).removeprefix(f"{found.name}: ")


def square_image(preprocessing: Preprocessing, picture: Image.Image) -> Tensor:
    """One picture, upright and RGB, as images (1, 3, S, S) uint8."""
    return stacked([to_square(picture, preprocessing.side, preprocessing.fit)])


def center_pixels(preprocessing: Preprocessing, picture: Image.Image) -> np.ndarray:
    """The part of a picture that the network looks at, as sharp as the picture is: (size, size, 3) uint8."""
    square = stacked([to_square(picture, preprocessing.resize, preprocessing.fit)])
    return center_view(square, preprocessing.size)[0].permute(1, 2, 0).numpy()
