"""Layers that hold a part of a network's kernels or units; their weights are stretches of the network's own."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet.data.loader import share
from alexnet.lineages import trace
from alexnet.lineages.spec import Conv, Linear, Norm
from alexnet.model import AlexNet, Dropout
from alexnet.model.layers import LocalResponseNorm, windowed_sum
from alexnet.parallel.exchange import border, gather
from alexnet.parallel.team import Team


@dataclass(frozen=True, eq=False)
class Part:
    """A rank's part of a network.

    Attributes:
        module: holds its parameters, by the names of the whole network's.
        net: the whole.
        kind: "tower": half of every layer; "shared": see `shared.SharedUnits`.
        talks: where towers talk, and by what their fully connected layers are cut; see `accelerate_tower`.
    """

    module: nn.Sequential
    net: AlexNet
    kind: Literal["tower", "shared"]
    team: Team
    talks: dict[str, str]


Fuse = Callable[[Part], nn.Module | None]
"""The part as a function that is faster; None where there is none."""


class PartOfLayer(nn.Module):
    """Rank's rows of a layer's weight and bias, as parameters that share the layer's memory."""

    def __init__(self, layer: nn.Conv2d | nn.Linear, rank: int, size: int) -> None:
        super().__init__()
        assert layer.bias is not None
        rows = share(len(layer.weight), rank, size)
        self.weight = nn.Parameter(layer.weight.detach()[rows])
        self.bias = nn.Parameter(layer.bias.detach()[rows])


class PartOfConv(PartOfLayer):
    """Some of a convolution's kernels; all of them see the same channels."""

    def __init__(self, layer: nn.Conv2d, row: Conv, rank: int, size: int) -> None:
        super().__init__(layer, rank, size)
        self.row = row

    def forward(self, images: Tensor) -> Tensor:
        row = self.row
        if row.ceil:  # zeros beyond the right and bottom edge, so that a whole number of strides fits
            below, right = (((row.kernel_size - side - 2 * row.padding) % row.stride) for side in images.shape[2:])
            images = F.pad(images, (0, right, 0, below))
        return F.conv2d(images, self.weight, self.bias, row.stride, row.padding)


class PartOfLinear(PartOfLayer):
    """Some of a layer's units."""

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.weight, self.bias)


class Columns(nn.Module):
    """What some inputs of a fully connected layer weigh; a copy, since columns of a matrix do not lie together."""

    def __init__(self, layer: nn.Linear, rank: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(layer.weight.detach()[:, share(layer.in_features, rank, size)].contiguous())
        self.bias = layer.bias


def part_of_dropout(layer: Dropout, width: int, rank: int, size: int) -> Dropout:
    """Dropout of some of `width` units, with the masks that they have in the whole network."""
    part = Dropout(layer.p)
    part.units, part.width = share(width, rank, size), width
    return part


class Whole(nn.Module):
    """All channels, or features, from all ranks."""

    def __init__(self, width: int, team: Team, *, is_shared: bool = True) -> None:
        super().__init__()
        self.width, self.team, self.is_shared = width, team, is_shared

    def forward(self, part: Tensor) -> Tensor:
        return gather(part, self.width, self.team, is_shared=self.is_shared)


class Own(nn.Module):
    """This rank's channels of a map that all have."""

    def __init__(self, team: Team) -> None:
        super().__init__()
        self.team = team

    def forward(self, images: Tensor) -> Tensor:
        return images[:, share(images.shape[1], self.team.rank, self.team.size)]


class NormAtBorder(nn.Module):
    """Response normalisation of one tower's channels, whose windows reach into the other's."""

    def __init__(self, layer: LocalResponseNorm, team: Team) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k, self.team = layer.size, layer.alpha, layer.beta, layer.k, team

    def forward(self, images: Tensor) -> Tensor:
        reach = min(self.size // 2, images.shape[1])
        halo = border(images, reach, self.team)
        is_first = self.team.rank == 0
        around = torch.cat((images, halo) if is_first else (halo, images), dim=1)
        energy = windowed_sum(around.square(), self.size, dim=1)
        energy = energy.narrow(1, 0 if is_first else reach, images.shape[1])
        return images * (self.k + self.alpha / self.size * energy).pow(-self.beta)


def parts(
    net: AlexNet, children: Iterable[str], talks: Mapping[str, str], team: Team
) -> Iterator[tuple[str, nn.Module]]:
    """This rank's part of consecutive layers, with the exchanges between them; the first sees all of its input.

    Args:
        net: the whole network.
        children: names of its layers, the last of all among them.
        talks: rows before which ranks talk, see `towers.exchanges`.
        team: the ranks.
    """
    rows, rank, size = {row.layer.name: row for row in trace(net.lineage)}, team.rank, team.size
    width = 0  # units of the last layer with weights, which are split
    for name in children:
        module, row = net.get_submodule(name), rows.get(name)
        if row is not None and talks.get(name) == "whole":
            # Features come flat, a channel's all together.
            yield f"{name}_input", Whole(prod(row.in_shape) if isinstance(row.layer, Linear) else row.in_shape[0], team)
        match row and row.layer:
            case Conv() as layer:
                if layer.groups > 1 and not width:
                    yield f"{name}_input", Own(team)
                assert isinstance(module, nn.Conv2d)
                yield name, PartOfConv(module, layer, rank, size)
                width = layer.out_channels
            case Linear() as layer:
                assert isinstance(module, nn.Linear)
                yield name, PartOfLinear(module, rank, size)
                width = layer.out_features
            case Norm() as layer if width:
                assert isinstance(module, LocalResponseNorm)
                is_apart = talks.get(name) != "border"
                alone = LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k)
                yield name, alone if is_apart else NormAtBorder(module, team)
            case _ if isinstance(module, Dropout) and width:
                yield name, part_of_dropout(module, width, rank, size)
            case _:
                yield name, module
    yield "logits", Whole(width, team, is_shared=False)
