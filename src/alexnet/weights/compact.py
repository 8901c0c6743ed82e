"""Weights in a fraction of the bytes: large matrices as products of two thin ones, numbers in 8 bits.

A weight W of shape (O, I) becomes `W.left` (O, r) and `W.right` (r, I), the best product of rank r; a tensor T becomes
`T.codes` int8 and `T.scale` float32, T = codes * scale, with a scale for each thing that shares a size: an output of a
layer, a component of a product. `expand` gives tensors of the ordinary names and shapes back, but for what was lost.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from alexnet.errors import UnreadableWeights

LEFT, RIGHT, CODES, SCALE = ".left", ".right", ".codes", ".scale"
LEVELS = 127
MOST = 2**30  # numbers in a product, of halves that a stranger may have written


def compact(tensors: Mapping[str, Tensor], ranks: Mapping[str, int]) -> dict[str, Tensor]:
    """Factorise the matrices named in `ranks` and store every tensor but the vectors in 8 bits."""
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        weight = tensor.detach().float()
        if name in ranks:
            left, right = factors(weight, ranks[name])
            stored |= coded(name + LEFT, left, keep=1) | coded(name + RIGHT, right, keep=0)
        elif weight.ndim > 1:
            stored |= coded(name, weight, keep=0)
        else:
            stored[name] = weight
    return stored


def expand(stored: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    """Give back the tensors that `compact` stored, float32; others pass unchanged.

    Raises:
        UnreadableWeights: names the part that is missing or does not fit the others.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith(CODES):
            base = name.removesuffix(CODES)
            tensors[base] = _scaled(tensor, _part(stored, base + SCALE, file), base, file)
        elif not name.endswith(SCALE):
            tensors[name] = tensor
    for name in [name for name in tensors if name.endswith(LEFT)]:
        base = name.removesuffix(LEFT)
        right = _part(tensors, base + RIGHT, file)
        tensors[base] = _product(tensors.pop(name), tensors.pop(base + RIGHT, right), base, file)
    return tensors


def _part(tensors: Mapping[str, Tensor], name: str, file: Path) -> Tensor:
    if name not in tensors:
        raise UnreadableWeights(f"{file}: {name} is missing beside its other half. Get an undamaged copy.")
    return tensors[name]


def _scaled(codes: Tensor, scale: Tensor, name: str, file: Path) -> Tensor:
    if scale.ndim != codes.ndim or any(
        side not in (1, full) for side, full in zip(scale.shape, codes.shape, strict=True)
    ):
        raise _unfit(file, name, codes, scale)
    return codes.float() * scale


def _product(left: Tensor, right: Tensor, name: str, file: Path) -> Tensor:
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0] or left.shape[0] * right.shape[1] > MOST:
        raise _unfit(file, name, left, right)
    return left @ right


def _unfit(file: Path, name: str, first: Tensor, second: Tensor) -> UnreadableWeights:
    shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
    return UnreadableWeights(f"{file}: the two halves of {name}, {shapes}, do not fit. Get an undamaged copy.")


def factors(weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """(O, r) and (r, I) whose product is the nearest to `weight` of all of that rank."""
    if weight.shape[0] > weight.shape[1]:
        right, left = factors(weight.T, rank)
        return left.T, right.T
    wide = weight.double()
    # The axes of the largest singular values, a fraction of the work of a whole decomposition.
    squares, axes = torch.linalg.eigh(wide @ wide.T)  # smallest first
    axes, roots = axes[:, -rank:].flip(1), squares[-rank:].flip(0).clamp_min(1e-30) ** 0.25
    return (axes * roots).float(), ((axes / roots).T @ wide).float()


def coded(name: str, tensor: Tensor, keep: int) -> dict[str, Tensor]:
    """`tensor` in 8 bits, with a scale for each index of axis `keep`."""
    others = tuple(axis for axis in range(tensor.ndim) if axis != keep)
    scale = tensor.abs().amax(others, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / LEVELS
    return {name + CODES: (tensor / scale).round().to(torch.int8), name + SCALE: scale}
