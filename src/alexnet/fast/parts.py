"""Parts of a network in stages, for processes that share its work: a tower, or some of the fully connected units.

**A tower** is half of every layer. Where towers talk the parts of a map arrive as tensors of their own, which the next
convolution joins; a response norm across towers gets the other's channels at the border beside its own. Of the first
fully connected layer a tower has the columns that read its own channels, of the second half of the units, of the third
the columns that read these: sums behind the first and the third, and of the second's gradients, are all that goes over.

**Shared units**: each process has all convolutions, on its own pictures, and some units of the first two fully
connected layers, on everybody's. Of the first it has rows of the weight, and of the second the columns that read these
rows' units: so features go over before the pair and sums behind it, and nothing between. What follows, the logits and
the loss too, is again each process's own pictures'. Splitting every layer by its units, as Krizhevsky (2014) does,
computes the same and talks seven times a step where this talks four times.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from alexnet.fast.border import bordered, widened
from alexnet.fast.exchange import Link, gathered, gathered_rows, shared, summed, summed_rows
from alexnet.fast.lrn_pool import Maps, Tail
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
    plan,
    stages_of,
)
from alexnet.fast.towers import join
from alexnet.fast.weighted import multiplied
from alexnet.lineages import Lineage, Row, trace
from alexnet.lineages.spec import Conv, Layer, Linear, Norm
from alexnet.lineages.trace import fully_connected


@dataclass(frozen=True)
class Gathered(Stage):
    """The parts of all processes; joined where nothing follows that would do so."""

    link: Link
    is_last: bool = False

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        parts = gathered(join(maps), self.link, is_shared=not self.is_last)
        return (join(parts),) if self.is_last else parts


@dataclass(frozen=True)
class BorderTail(Stage):
    """What follows convolution `name` of a tower, where the norm's window reaches into the other tower."""

    name: str
    tail: Tail
    link: Link

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        return (bordered(self.tail, join(maps), weights[f"{self.name}.bias"].float(), self.link),)


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
class FirstShared(Stage):
    """Some units of a fully connected layer, for the pictures of all processes."""

    layer: FullyConnected
    link: Link

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        rows = gathered_rows(join(maps).flatten(1), self.link)
        if seed is not None:
            seed = torch.cat((seed[:1], gathered_rows(seed[1:, None], self.link).flatten()))
        return self.layer((rows,), weights, seed)


@dataclass(frozen=True)
class SecondShared(Stage):
    """A fully connected layer that reads what FirstShared has, and goes on with this process's pictures."""

    layer: FullyConnected
    link: Link

    def __call__(self, maps: Maps, weights: Weights, seed: Tensor | None) -> Maps:
        units = summed_rows(multiplied(maps[0], weights[f"{self.layer.name}.weight"]), self.link)
        return (self.layer.finished(units, weights, seed),)


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
    stages = tuple(_talking(stages_of(deque(map(_halved, lineage.layers)), traced, tower), traced, talks, link))
    tails = (widened(stage.tail) for stage in stages if isinstance(stage, BorderTail))
    if not all(map(is_supported, stages)) or not all(tail.is_supported for tail in tails):
        return None
    last = () if talks[weighted[-1].layer.name] == "inputs" else (Gathered(link, is_last=True),)
    return FastNet(tower, (*stages, *last), dtype, lineage)


def accelerate_shared(parts: nn.Sequential, lineage: Lineage, link: Link, dtype: torch.dtype) -> FastNet | None:
    """A network that shares units with others, in stages; None where the kernels do not know some layer.

    Args:
        parts: holds its parameters, by the names of the whole network's; of the first fully connected layer some rows
            of the weight and of the bias, of the second the columns that belong to them.
        lineage: of the whole network; all processes have as many pictures.
        link: the processes.
        dtype: of the arithmetic.
    """
    stages = plan(lineage, parts)
    if stages is None:
        return None
    first, second = fully_connected(lineage)[:2]
    each = first.out_features // link.size
    units = (link.rank * each, first.out_features)
    return FastNet(parts, tuple(_sharing(stages, first.name, second.name, units, link)), dtype, lineage)


def _sharing(stages: Sequence[Stage], first: str, second: str, units: tuple[int, int], link: Link) -> Iterator[Stage]:
    for stage in stages:
        if isinstance(stage, FullyConnected) and stage.name == first:
            yield FirstShared(replace(stage, units=units), link)
        elif isinstance(stage, FullyConnected) and stage.name == second:
            yield SecondShared(stage, link)
        else:
            yield stage


def _talking(
    stages: Iterator[Stage], traced: Mapping[str, Row], talks: Mapping[str, str], link: Link
) -> Iterator[Stage]:
    """The stages of a tower, with what they need from the other."""
    for stage in stages:
        if isinstance(stage, FusedTail) and stage.tail.norm is not None and stage.tail.norm.name in talks:
            yield BorderTail(stage.name, stage.tail, link)
            continue
        if talks.get(_weighted(stage)) == "whole":
            yield Gathered(link)
        if not isinstance(stage, FullyConnected):
            yield stage
        elif talks[stage.name] == "inputs":
            channels, *sides = stage.in_shape
            yield Inputs(replace(stage, in_shape=(channels // link.size, *sides)), link)
        else:
            each = traced[stage.name].out_shape[0]
            yield OwnUnits(replace(stage, units=(link.rank * each, link.size * each)), link)


def _weighted(stage: Stage) -> str:
    """The name of the layer whose weights a stage begins with, or nothing."""
    if isinstance(stage, ActiveConvolution):
        return stage.convolution.name
    return stage.name if isinstance(stage, BlockConvolution | Convolution | FullyConnected) else ""


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
