"""Shared units, in stages: each process has all convolutions, on its own pictures, and some fully connected units.

Of the first fully connected layer a process has rows of the weight, for everybody's pictures, and of the second the
columns that read these rows' units: so features go over before the pair and sums behind it, and nothing between. What
follows, the logits and the loss too, is again each process's own pictures'. Splitting every layer by its units, as
Krizhevsky (2014) does, computes the same and talks seven times a step where this talks four times.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from alexnet.fast.exchange import Link, gathered_rows, summed_rows
from alexnet.fast.lrn_pool import Maps
from alexnet.fast.rewrite import FastNet
from alexnet.fast.stages import FullyConnected, Stage, Weights, plan
from alexnet.fast.towers import join
from alexnet.fast.weighted import multiplied
from alexnet.lineages import Lineage
from alexnet.lineages.trace import fully_connected


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
