"""One of two towers, in stages: half of every layer, for a process that has the other half beside it.

Where towers talk the other's channels go over: to a convolution that reads both while it is at work on the tower's own,
to a response norm only those at the border. Of the first fully connected layer a tower has the columns that read its
own channels, of the second half of the units, of the third the columns that read these: sums behind the first and the
third, and of the second's gradients, are all that goes over.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from alexnet.fast.border import CHUNK, bordered, cropped, widened, with_neighbours
from alexnet.fast.conv1 import Blocks
from alexnet.fast.exchange import Link, gathered, shared, summed
from alexnet.fast.halves import convolved_halves
from alexnet.fast.lrn_pool import Maps, Tail, fused
from alexnet.fast.rewrite import FastNet
from alexnet.fast.stages import (
    ActiveConvolution,
    BlockConvolution,
    Convolution,
    FullyConnected,
    FusedTail,
    Stage,
    Weights,
    is_known,
    is_supported,
    stages_of,
)
from alexnet.fast.towers import join
from alexnet.fast.weighted import multiplied
from alexnet.lineages import Lineage, Row, trace
from alexnet.lineages.spec import Conv, Layer, Linear, Norm


@dataclass(frozen=True)
class BorderTail(Stage):
    """What follows convolution `name` of a tower, where the norm's window reaches into the other tower.

    Without a name, what has no bias: a norm behind a pool.
    """

    name: str
    tail: Tail
    link: Link

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        whole = join(maps)
        bias = weights[f"{self.name}.bias"] if self.name else whole.new_zeros(self.tail.channels)
        return (bordered(self.tail, whole, bias.float(), self.link),)


@dataclass(frozen=True)
class FirstOfTower(Stage):
    """The first convolution of a tower and what follows it, with a norm whose window reaches into the other tower."""

    convolution: BlockConvolution
    tail: Tail
    link: Link

    @property
    def blocks(self) -> Blocks:
        return self.convolution.blocks

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        weight, bias = (f"{self.convolution.name}.{kind}" for kind in ("weight", "bias"))
        kernels, biases = with_neighbours(weights[weight], weights[bias].float(), self.link)
        wide = self.convolution(maps, {weight: kernels}, seed)
        return (cropped(self.tail, join(wide), biases, self.link),)


@dataclass(frozen=True)
class Inputs(Stage):
    """A fully connected layer that reads what this process has of its inputs; then all have all of its units."""

    layer: FullyConnected
    link: Link

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        features, weight = self.layer.product(maps, weights)
        units = summed(multiplied(features, weight), self.link)
        return (self.layer.finished(units, weights, seed),)

    def prepared(self, weights: Weights) -> Weights:
        return self.layer.prepared(weights)


@dataclass(frozen=True)
class OwnUnits(Stage):
    """Some units of a fully connected layer, whose inputs all have."""

    layer: FullyConnected
    link: Link

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        return self.layer((shared(join(maps).flatten(1), self.link),), weights, seed)


@dataclass(frozen=True)
class BothHalves(Stage):
    """A convolution that reads the channels of both towers, and what follows it, if anything does."""

    convolution: Convolution
    tail: Tail | None
    link: Link

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        row = self.convolution
        weight = weights[f"{row.name}.weight"]
        result = convolved_halves(join(maps).to(weight.dtype), weight, row.stride, row.padding, self.link)
        return (result,) if self.tail is None else fused(self.tail, (result,), weights[f"{row.name}.bias"].float())


@dataclass(frozen=True)
class Gathered(Stage):
    """The last features of both."""

    link: Link

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        return (gathered(join(maps), self.link),)


def accelerate_tower(
    tower: nn.Sequential, lineage: Lineage, talks: Mapping[str, str], link: Link, dtype: torch.dtype
) -> FastNet | None:
    """One of two towers in stages; None where the kernels do not know some layer, or towers are not halves.

    Args:
        tower: holds its parameters, by the names of the whole network's.
        lineage: of the whole network.
        talks: rows before which the towers talk: "whole" or "border"; of fully connected layers, by what they are cut,
            "inputs" or "units".
        link: the two processes.
        dtype: of the arithmetic.
    """
    rows = trace(lineage)
    weighted = [row for row in rows if row.weights]
    is_even = all(row.out_shape[0] % 2 == 0 for row in weighted if talks.get(row.layer.name) != "inputs")
    if not is_known(lineage) or not is_even or getattr(weighted[0].layer, "groups", 1) > 1:
        return None
    traced = {row.layer.name: _halved_shape(row) for row in rows}
    plain = stages_of(deque(map(_halved, lineage.layers)), traced, tower)
    stages = tuple(_talking(_with_first(tuple(plain), talks, link), traced, talks, link))
    tails = (widened(stage.tail) for stage in stages if isinstance(stage, BorderTail | FirstOfTower))
    if not all(map(is_supported, stages)) or not all(tail.is_supported for tail in tails):
        return None
    last = () if talks[weighted[-1].layer.name] == "inputs" else (Gathered(link),)
    return FastNet(tower, (*stages, *last), dtype, lineage)


def _with_first(stages: tuple[Stage, ...], talks: Mapping[str, str], link: Link) -> Iterator[Stage]:
    """The stages, the first convolution together with what follows it where that saves a message."""
    convolution, tail, *rest = stages
    match convolution, tail:
        case BlockConvolution(), FusedTail() if _is_at_border(tail, talks) and tail.tail.channels >= CHUNK:
            yield FirstOfTower(convolution, tail.tail, link)
            yield from rest
        case _:
            yield from stages


def _talking(
    stages: Iterator[Stage], traced: Mapping[str, Row], talks: Mapping[str, str], link: Link
) -> Iterator[Stage]:
    """The stages of a tower, with what they need from the other."""
    for stage in stages:
        is_whole = talks.get(_weighted(stage)) == "whole"
        match stage:
            case FusedTail() if _is_at_border(stage, talks):
                yield BorderTail(stage.name, stage.tail, link)
            case ActiveConvolution() if is_whole:
                yield BothHalves(stage.convolution, stage.tail, link)
            case Convolution() if is_whole:
                yield BothHalves(stage, None, link)
            case FullyConnected() if talks[stage.name] == "inputs":
                channels, *sides = stage.in_shape
                yield Inputs(replace(stage, in_shape=(channels // link.size, *sides)), link)
            case FullyConnected():
                each = traced[stage.name].out_shape[0]
                yield OwnUnits(replace(stage, units=(link.rank * each, link.size * each)), link)
            case _:
                yield stage


def _is_at_border(stage: FusedTail, talks: Mapping[str, str]) -> bool:
    return stage.tail.norm is not None and stage.tail.norm.name in talks


def _weighted(stage: Stage) -> str:
    """The name of the convolution that a stage begins with, or nothing."""
    convolution = stage.convolution if isinstance(stage, ActiveConvolution) else stage
    return convolution.name if isinstance(convolution, Convolution) else ""


def _halved(layer: Layer) -> Layer:
    """The row as one of two towers has it."""
    match layer:
        case Conv():
            return replace(layer, out_channels=layer.out_channels // 2, groups=1)
        case Linear():
            return replace(layer, out_features=layer.out_features // 2)
        case Norm():
            return replace(layer, groups=1)
    return layer


def _halved_shape(row: Row) -> Row:
    return replace(row, out_shape=(row.out_shape[0] // 2, *row.out_shape[1:]))
