"""The stages of a fast network: what a table's rows become when neighbours are taken together.

Each takes maps or features and the weights by name, and returns maps or features. Matrices come in the precision of the
arithmetic, biases of what runs in our own kernels in float32.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from alexnet.fast.conv1 import Blocks, block_weight, cut_blocks
from alexnet.fast.linear import Units, biased, dropped, rectified, shifted
from alexnet.fast.lrn_pool import Maps, Tail, fused
from alexnet.fast.matvec import few, suits
from alexnet.fast.towers import convolve, convolve_and_rectify, join
from alexnet.fast.weighted import multiplied
from alexnet.lineages import Lineage, Row, trace
from alexnet.lineages.spec import Activation, Conv, Dropout, Layer, Linear, Norm, Pool

Weights = Mapping[str, Tensor]


class Stage(Protocol):
    """A step of the network; `seed` is None where nothing drops out."""

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps: ...

    def prepared(self, weights: Weights) -> Weights:
        """What the stage makes of its weights before it uses them: to be kept where they stay as they are."""
        return {}


@dataclass(frozen=True)
class BlockConvolution(Stage):
    """A strided convolution of pictures, or of the blocks that they were cut into before."""

    name: str
    blocks: Blocks

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        weight = self._weight(weights)
        (images,) = maps
        if images.shape[1] != weight.shape[1]:
            images = cut_blocks(images, self.blocks, weight.dtype)
        return convolve((images,), weight, 1, 0, 1)

    def prepared(self, weights: Weights) -> Weights:
        return {f"{self.name}.blocks": self._weight(weights)}

    def _weight(self, weights: Weights) -> Tensor:
        kept = weights.get(f"{self.name}.blocks")
        return block_weight(weights[f"{self.name}.weight"], self.blocks) if kept is None else kept


@dataclass(frozen=True)
class Convolution(Stage):
    name: str
    stride: int
    padding: int
    groups: int
    is_rounded_up: bool

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        weight = weights[f"{self.name}.weight"]
        maps = tuple(images.to(weight.dtype) for images in maps)
        return convolve(maps, weight, self.stride, self.padding, self.groups)


@dataclass(frozen=True)
class ActiveConvolution(Stage):
    """A convolution with bias and ReLU and nothing behind them; without gradients, one call of cuDNN per tensor."""

    convolution: Convolution
    tail: Tail

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        name = self.convolution.name
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        if torch.is_grad_enabled() or not weight.is_cuda or weight.dtype == torch.float32:
            return fused(self.tail, self.convolution(maps, weights, seed), bias.float())
        shift = weights.get(f"{name}.shift", bias)
        return convolve_and_rectify(
            maps, weight, shift, self.convolution.padding, self.convolution.groups, self.tail.towers
        )

    def prepared(self, weights: Weights) -> Weights:
        name = self.convolution.name
        return {f"{name}.shift": weights[f"{name}.bias"].to(weights[f"{name}.weight"].dtype)}


@dataclass(frozen=True)
class FusedTail(Stage):
    """What follows convolution `name`; without a name, what has no bias."""

    name: str
    tail: Tail

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        return fused(self.tail, maps, weights[f"{self.name}.bias"].float() if self.name else None)


@dataclass(frozen=True)
class FullyConnected(Stage):
    """A matrix product with bias and what follows it.

    Attributes:
        in_shape: of the map that comes in; one number where features do.
        units: (first, of so many), where these are some of a layer's units.
    """

    name: str
    is_active: bool
    p: float
    salt: int
    in_shape: tuple[int, ...]
    units: Units | None = None

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        features, weight = self.product(maps, weights)
        bias = weights[f"{self.name}.bias"]
        if suits(features, self._drop(seed)):
            return (few(features, weight, bias, self.is_active),)
        if not self.is_active:
            return (shifted(features, weight, bias),)
        return (self.finished(multiplied(features, weight), weights, seed),)

    def finished(self, units: Tensor, weights: Weights, seed: Tensor | None) -> Tensor:
        """Bias, ReLU and dropout of a product (B, O)."""
        bias = weights[f"{self.name}.bias"].float()
        if not self.is_active:
            return biased(units, bias)
        return rectified(units, bias, self.p, self._drop(seed), self.salt, self.units)

    def prepared(self, weights: Weights) -> Weights:
        if len(self.in_shape) == 1:
            return {}
        weight = weights[f"{self.name}.weight"]
        last = weight.view(-1, *self.in_shape).permute(0, 2, 3, 1)
        return {f"{self.name}.last": last.reshape(weight.shape)}

    def product(self, maps: Maps, weights: Weights) -> tuple[Tensor, Tensor]:
        """Features (B, F) and the weight for their order: channels slowest, as the table means it, or as maps lie."""
        weight, features = weights.get(f"{self.name}.last"), join(maps)
        if weight is None or features.ndim == 2:
            return features.flatten(1), weights[f"{self.name}.weight"]
        return features.permute(0, 2, 3, 1).flatten(1), weight

    def _drop(self, seed: Tensor | None) -> Tensor | None:
        return seed if self.p and self.is_active else None


@dataclass(frozen=True)
class Drop(Stage):
    p: float
    salt: int

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        return maps if seed is None else (dropped(join(maps).flatten(1), self.p, seed, self.salt),)


@dataclass(frozen=True)
class Plain(Stage):
    """A layer without weights, as the plain network has it."""

    layer: nn.Module

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        return (self.layer(join(maps).float()).to(maps[0].dtype),)


def plan(lineage: Lineage, layers: nn.Sequential) -> tuple[Stage, ...] | None:
    """Translate a table into stages; None where it holds what only the plain network can do."""
    if not is_known(lineage):
        return None
    traced = {row.layer.name: row for row in trace(lineage)}
    stages = tuple(stages_of(deque(lineage.layers), traced, layers))
    return stages if all(map(is_supported, stages)) else None


def is_known(lineage: Lineage) -> bool:
    """Whether there is a stage for each row of a table, in some size."""
    weighted = (row.layer for row in trace(lineage) if row.weights)
    return lineage.activation == "relu" and all(isinstance(layer, Conv | Linear) for layer in weighted)


def is_supported(stage: Stage) -> bool:
    """Whether the kernels can do it."""
    if isinstance(stage, FusedTail | ActiveConvolution) and not stage.tail.is_supported:
        return False
    convolution = stage.convolution if isinstance(stage, ActiveConvolution) else stage
    return not isinstance(convolution, Convolution) or (convolution.groups <= 2 and not convolution.is_rounded_up)


def stages_of(rows: deque[Layer], traced: Mapping[str, Row], layers: nn.Module) -> Iterator[Stage]:
    """Take the rows from the left, as many at a time as one stage does.

    Args:
        traced: the shapes of each row, by its name.
        layers: where those without weights that no stage knows are found.
    """
    count = len(rows)
    while rows:
        salt = count - len(rows)
        match row := rows[0]:
            case Conv():
                rows.popleft()
                convolution = _convolution(row, is_first=salt == 0)
                tail = _tail(rows, traced[row.name].out_shape[0], "first" if row.active else "none")
                if isinstance(convolution, Convolution) and convolution.stride == 1 and tail.is_bare:
                    yield ActiveConvolution(convolution, tail)
                else:
                    yield convolution
                    yield FusedTail(row.name, tail)
            case Norm() | Pool(kind="max"):
                yield FusedTail("", _tail(rows, traced[row.name].out_shape[0], "none"))
            case Linear():
                rows.popleft()
                drop = rows.popleft() if row.active and rows and isinstance(rows[0], Dropout) else None
                p, in_shape = drop.p if isinstance(drop, Dropout) else 0.0, traced[row.name].in_shape
                yield FullyConnected(row.name, row.active, p, salt, in_shape)
            case Dropout():
                yield Drop(row.p, salt)
                rows.popleft()
            case _:
                yield Plain(layers.get_submodule(row.name))
                rows.popleft()


def _convolution(row: Conv, is_first: bool) -> Stage:
    if is_first and row.stride > 1 and row.groups == 1:
        return BlockConvolution(row.name, Blocks.of(row))
    return Convolution(row.name, row.stride, row.padding, row.groups, row.ceil and row.stride > 1)


def _tail(rows: deque[Layer], channels: int, relu: Literal["first", "none"]) -> Tail:
    """Take the norm, the pool and the activation that come next, as far as one kernel does them."""
    tail = Tail(channels, relu)
    if rows and isinstance(row := rows[0], Norm):
        tail = replace(tail, norm=row)
        rows.popleft()
    if rows and isinstance(row := rows[0], Pool) and row.kind == "max":
        tail = replace(tail, pool=row)
        rows.popleft()
    if rows and isinstance(rows[0], Activation) and relu == "none":
        tail = replace(tail, relu="last")
        rows.popleft()
    return replace(tail, towers=rows[0].groups if rows and isinstance(rows[0], Conv) else 1)
