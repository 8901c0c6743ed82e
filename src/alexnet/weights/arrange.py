"""Tensors under our names and in torch's layout, out of the arrays of a foreign file."""

from math import prod

import numpy as np
import torch
from torch import Tensor

from alexnet.lineages import Lineage
from alexnet.lineages.spec import Conv
from alexnet.weights.raw import Raw, RawLayer
from alexnet.weights.structure import expected_layers

BLOCK = 32  # outputs turned at a time: two cache lines of each row, and no more rows than the cache holds


def arrange(raw: Raw, lineage: Lineage) -> dict[str, Tensor]:
    """Return the tensors of a file, float32, contiguous, with memory of their own.

    Needs a lineage that the file fits (see `identify`); shapes that do not are left for `validate` to name.
    """
    tensors = {}
    channels = 0  # of the map that a fully connected layer reads
    rows = {row.name: row for row in lineage.layers}
    for layer, (name, weight, bias) in zip(raw.layers, expected_layers(lineage), strict=True):
        turned = _weight(layer, raw.is_owned)
        if raw.upside_down:
            turned = _upright(turned, channels)
        channels = len(turned) if isinstance(rows[name], Conv) else 0
        tensors[f"{name}.weight"] = turned.reshape(weight) if turned.numel() == prod(weight) else turned
        tensors[f"{name}.bias"] = _bias(layer, bias, raw.is_owned)
    return tensors


def _weight(layer: RawLayer, is_owned: bool) -> Tensor:
    array = _tensor(layer.weight)
    if not array.is_floating_point():
        return array  # for `validate` to refuse
    turned = _contiguous(array.permute(layer.permutation), is_owned)
    return turned * layer.scale if layer.scale != 1 else turned


def _bias(layer: RawLayer, shape: tuple[int, ...], is_owned: bool) -> Tensor:
    if layer.bias is None:
        return torch.zeros(shape)
    bias = _tensor(layer.bias)
    return _contiguous(bias, is_owned) if bias.is_floating_point() else bias


def _tensor(array: np.ndarray) -> Tensor:
    """The array as torch sees it: of this machine's byte order, on writable memory."""
    return torch.from_numpy(np.require(array, array.dtype.newbyteorder("="), ["W"]))


def _contiguous(view: Tensor, is_owned: bool) -> Tensor:
    """The view as float32 in memory of its own; a file's memory is copied, what was made for us is kept."""
    if is_owned and view.is_contiguous() and view.dtype == torch.float32:
        return view
    # numpy asks the system for large pages, which torch does not: filling them takes a fifth of the time.
    made = np.empty(view.shape, np.float32)
    if view.ndim == 4 and view.stride(0) == 1:
        with np.errstate(over="ignore"):  # what float32 cannot hold is found to be infinite
            _turn(view.numpy(), made)
    else:
        torch.from_numpy(made).copy_(view)
    return torch.from_numpy(made)


def _turn(view: np.ndarray, made: np.ndarray) -> None:
    """Copy (O, I, H, W) whose outputs lie innermost, the worst order for a cache: in blocks, by way of their own."""
    for start in range(0, len(view), BLOCK):
        block = slice(start, start + BLOCK)
        inputs_first = np.ascontiguousarray(np.moveaxis(view[block], 0, -1))  # (I, H, W, BLOCK)
        made[block] = np.moveaxis(inputs_first, -1, 0)


def _upright(weight: Tensor, channels: int) -> Tensor:
    """Weights for upright pictures, of a network that was trained upside down: its kernels and maps turned over."""
    if weight.ndim == 4:
        return weight.flip(2)
    if not channels:
        return weight
    side = round((weight.shape[1] / channels) ** 0.5)
    return weight.view(len(weight), channels, side, side).flip(2).view(weight.shape)
