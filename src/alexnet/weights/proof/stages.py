"""What two programs that compute the same network are compared by: what each of its rows makes of one picture.

Rows are called as ours are, by their order within their kind, since every program has names of its own. Convolutions
and fully connected layers are compared before their activation, pools behind one that follows them: a maximum and an
activation can change places, and do from program to program.
"""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from alexnet.data.views import center_view
from alexnet.errors import UsageError
from alexnet.lineages import Lineage
from alexnet.lineages.spec import Conv, Layer, Linear, Local, Norm, Order, Pool, SpatialNorm
from alexnet.model import build
from alexnet.weights.weights import Weights

Stages = dict[str, np.ndarray]  # row -> (C, H, W) or (F,), in the order of work; "input" comes first
INPUT, WEIGHTED, NORM, POOL = "input", "weighted", "norm", "pool"
ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.Sigmoid)
SAMPLES = 16  # numbers of a stage that a record keeps
TOLERANCE = 1e-5  # float32 against float32 or float64: a hundred times what rounding does


def kind_of(row: Layer) -> str:
    """How a row is counted; "" for one that is not compared."""
    match row:
        case Conv() | Local() | Linear():
            return WEIGHTED
        case Norm() | SpatialNorm():
            return NORM
        case Pool():
            return POOL
        case _:
            return ""


def in_rgb(planes: np.ndarray, order: Order) -> np.ndarray:
    """The input in one order for all: whether the kernels want it in another is for conv1 to show."""
    return planes[::-1] if order == "BGR" else planes


def named(found: Iterable[tuple[str, np.ndarray]], lineage: Lineage) -> Stages:
    """Call what another program computed by the names of a lineage, the n-th of each kind like its n-th.

    A kind of which the program has another number of layers (a norm taken apart into many operators) is left out.
    """
    arrays = list(found)
    names: dict[str, list[str]] = {INPUT: [INPUT], WEIGHTED: [], NORM: [], POOL: []}
    for row in lineage.layers:
        if kind_of(row):
            names[kind_of(row)].append(row.name)
    counts = {kind: sum(other == kind for other, _ in arrays) for kind in names}
    left = {kind: iter(those) for kind, those in names.items() if counts[kind] == len(those)}
    return {next(left[kind]): np.asarray(array) for kind, array in arrays if kind in left}


@torch.inference_mode()
def our_stages(weights: Weights, square: np.ndarray) -> Stages:
    """What our network makes of a picture, fed as its preprocessing says.

    Args:
        square: (R, R, 3) uint8 RGB, of the side that views are cut from.

    Raises:
        UsageError: a network for gray pictures.
    """
    if weights.lineage.in_channels != 3:
        raise UsageError("the picture that networks are compared by is in colour, and this one looks at gray ones.")
    model = build(weights.lineage)
    model.load_state_dict(weights.tensors, assign=True)
    model.eval()
    preprocessing = weights.preprocessing
    images = torch.from_numpy(square.transpose(2, 0, 1)[None].copy())
    x = preprocessing.views(images, partial(center_view, size=preprocessing.size))
    kinds = {row.name: kind_of(row) for row in weights.lineage.layers}
    stages, before = {INPUT: in_rgb(x[0].numpy(), preprocessing.order)}, ""
    for name, module in model.named_children():
        x = module(x)
        if isinstance(module, ACTIVATIONS) and kinds.get(before) == POOL:
            stages[before] = x[0].numpy()
        elif kinds.get(name):
            stages[name] = x[0].numpy()
        before = name
    return stages


class Witness(NamedTuple):
    """What another program made of a picture.

    Attributes:
        program: which, in words.
        is_sample: of each stage a few numbers are known, see `sampled`.
    """

    program: str
    stages: Stages
    is_sample: bool = False

    def errors(self, ours: Stages) -> dict[str, float]:
        """The largest difference in each stage over its largest value; infinite where they cannot be compared."""
        return {name: self._error(ours.get(name), array) for name, array in self.stages.items()}

    def _error(self, ours: np.ndarray | None, theirs: np.ndarray) -> float:
        if ours is None:
            return float("inf")
        ours = sampled(ours) if self.is_sample else ours
        if ours.size != theirs.size:
            return float("inf")
        theirs = theirs.reshape(-1).astype(np.float64)
        with np.errstate(all="ignore"):
            difference = float(np.abs(ours.reshape(-1).astype(np.float64) - theirs).max())
            scale = float(np.abs(theirs).max())
            error = difference / scale if scale else difference
        return error if np.isfinite(error) else float("inf")  # not a number is no agreement


def sampled(array: np.ndarray) -> np.ndarray:
    """A few numbers of a stage, evenly spaced."""
    flat = array.reshape(-1)
    return np.asarray(flat[np.linspace(0, len(flat) - 1, min(SAMPLES, len(flat))).astype(int)])
