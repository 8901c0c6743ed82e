"""The arithmetic that a loaded network works in: float32, or less of it and faster.

B pictures, V views, S stored side.
"""

from collections.abc import Iterable
from functools import partial
from itertools import islice

import torch
from torch import Tensor, nn

from alexnet.data.preprocess import Preprocessing
from alexnet.data.views import ten_views
from alexnet.errors import DataError, UsageError
from alexnet.fast import accelerate
from alexnet.inference.sources import Source, photo_files
from alexnet.inference.squares import decoded, stacked
from alexnet.model import AlexNet

DTYPES = {"auto": torch.float32, "float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.int8}
SAMPLES = 16
"""Pictures that int8 learns the ranges of activations from, ten views of each."""


def engine(
    model: AlexNet, preprocessing: Preprocessing, precision: str, samples: Source | Iterable[Source] | None = None
) -> nn.Module:
    """Return what computes the logits of `model`, in evaluation mode and on its device, in `precision`.

    On a CPU that has no such arithmetic it works in float32, see `working_precision`.

    Args:
        precision: float32 (auto is the same), bfloat16 or int8.
        samples: pictures for int8, of which the first that can be read are taken; None is the packaged photos.

    Raises:
        UsageError: no such precision, or not on this device.
        DataError: none of the samples can be read.
    """
    if precision not in DTYPES:
        raise UsageError(f"precision is {precision!r}; expected float32, bfloat16 or int8.")
    place = next(model.parameters()).device.type
    if place == "cpu":
        views = sample_views(preprocessing, samples) if precision == "int8" else None
        return accelerate(model, DTYPES[precision], views)
    if DTYPES[precision] == torch.float32:
        return model
    fast = accelerate(model, DTYPES[precision])
    if fast is model:
        where = "int8 runs on the CPU: add --device cpu" if precision == "int8" else f"leave it out on {place}"
        raise UsageError(f"precision {precision} is not to be had for this network on {place}; {where}.")
    return fast


def working_precision(engine: nn.Module) -> str:
    """The name of what an engine works in."""
    return str(getattr(engine, "dtype", torch.float32)).removeprefix("torch.")


def sample_views(preprocessing: Preprocessing, sources: Source | Iterable[Source] | None) -> Tensor:
    """The ten views (B*V, C, H, W) of the first pictures of `sources`, ready for the network.

    Raises:
        DataError: none can be read.
    """
    sources = photo_files() if sources is None else sources
    pictures = (square for batch in decoded(sources, preprocessing, SAMPLES) for _, square in batch)
    squares = list(islice((square for square in pictures if not isinstance(square, str)), SAMPLES))
    if not squares:
        raise DataError("none of the pictures that int8 should learn its ranges from can be read. Name others.")
    views = preprocessing.views(stacked(squares), partial(ten_views, size=preprocessing.size))
    return views.flatten(0, 1)
