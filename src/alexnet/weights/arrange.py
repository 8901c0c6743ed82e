"""Tensors under our names and in torch's layout, out of the arrays of a foreign file."""

from math import prod

import numpy as np
import torch
from torch import Tensor

from alexnet.lineages import Lineage
from alexnet.lineages.spec import Conv
from alexnet.weights.raw import Raw, RawLayer
from alexnet.weights.structure import expected_layers

BLOCK = 128  # outputs turned at a time: 512 bytes of each row, and no more than the cache holds
LARGE = 1 << 20  # values; smaller arrays are turned at once


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
    if view.dtype != torch.float32 or (view.is_contiguous() and is_owned):
        return view.float().contiguous()
    if view.is_contiguous() or view.numel() < LARGE or view.stride(0) != 1:
        return view.clone(memory_format=torch.contiguous_format)
    # Outputs lie innermost in the file and outermost here: the worst order for a cache, so in blocks.
    turned = torch.empty(view.shape)
    for start in range(0, len(view), BLOCK):
        block = view[start : start + BLOCK]
        rows = block.movedim(0, -1).reshape(-1, len(block))  # (I*H*W, outputs): a copy, in long runs
        turned[start : start + BLOCK].view(len(block), -1).copy_(rows.t())
    return turned


def _upright(weight: Tensor, channels: int) -> Tensor:
    """Weights for upright pictures, of a network that was trained upside down: its kernels and maps turned over."""
    if weight.ndim == 4:
        return weight.flip(2)
    if not channels:
        return weight
    side = round((weight.shape[1] / channels) ** 0.5)
    return weight.view(len(weight), channels, side, side).flip(2).view(weight.shape)
