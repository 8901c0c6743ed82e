"""The 2014 scheme on fused kernels: convolutions data parallel, units of the first two fully connected layers shared.

The gradients are those of `hybrid`. What differs is where its layers are cut: the first by its units, the second by
what it reads, so that nothing has to go over between them; and behind them every rank goes on with its own pictures,
the other fully connected layers and the loss included.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from alexnet.data.loader import share
from alexnet.lineages.spec import Linear
from alexnet.model import AlexNet
from alexnet.parallel.buckets import Reduction
from alexnet.parallel.pieces import PartOfLinear
from alexnet.parallel.scheme import Scheme
from alexnet.parallel.shares import Stretches
from alexnet.parallel.team import Team


@dataclass(frozen=True, eq=False)
class Part:
    """A rank's part of a network.

    Attributes:
        module: holds its parameters, by the names of the whole network's.
        net: the whole.
        kind: "tower": half of every layer; "shared": see `SharedUnits`.
        talks: rows before which towers talk.
    """

    module: nn.Sequential
    net: AlexNet
    kind: Literal["tower", "shared"]
    team: Team
    talks: dict[str, str]


Fuse = Callable[[Part], nn.Module | None]
"""The part as a function that is faster; None where there is none."""


class Columns(nn.Module):
    """What some inputs of a fully connected layer weigh; a copy, since columns of a matrix do not lie together."""

    def __init__(self, layer: nn.Linear, rank: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(layer.weight.detach()[:, share(layer.in_features, rank, size)].contiguous())
        self.bias = layer.bias


class SharedUnits(Scheme):
    """See above.

    Args:
        part: of `shared_part`.
        module: the same as a function; this scheme has no other than a fused one.
        wire: what the gradients of the layers that all ranks have travel as.
    """

    name = "hybrid"
    is_regular = True

    def __init__(self, part: Part, module: nn.Module, wire: torch.dtype | None = None) -> None:
        super().__init__(part.net, module, dict(part.module.named_parameters()), part.team)
        first, second = _pair(part.net)
        rows, self._apart = (f"{first}.weight", f"{first}.bias"), f"{second}.weight"
        shapes = {name: p.shape for name, p in part.net.named_parameters()}
        cuts = [share(shapes[self._apart][1], rank, self.team.size) for rank in range(self.team.size)]
        self.stretches = Stretches(
            Stretches.by_rows({name: shapes[name] for name in rows}, self.team.size).of,
            {self._apart: tuple((cut.start, cut.stop) for cut in cuts)},
        )
        copied = {name: p for name, p in self.parameters.items() if name not in self.stretches}
        self.reduction = Reduction(copied, self.team, wire)

    def exchange(self) -> Reduction:
        return self.reduction

    def take_up(self) -> None:
        self.parameters[self._apart].data.copy_(self._own_columns())

    def assemble(self) -> None:
        self._own_columns().copy_(self.parameters[self._apart].detach())
        super().assemble()

    def _own_columns(self) -> Tensor:
        whole = self.net.get_parameter(self._apart).detach()
        return self.stretches.cut(self._apart, whole, self.team.rank)


def shares_equally(net: AlexNet, batch_size: int, size: int) -> bool:
    """Whether so many ranks have as many units and as many pictures each, pairs of pictures staying together."""
    linear = [layer for layer in net.lineage.layers if isinstance(layer, Linear)]
    return len(linear) > 1 and linear[0].out_features % size == 0 and batch_size % (2 * size) == 0


def shared_part(net: AlexNet, team: Team) -> Part:
    """A rank's part: all of the network, but for the first two fully connected layers."""
    first, second = _pair(net)
    parts = nn.Sequential()
    for name, layer in net.named_children():
        kind = {first: PartOfLinear, second: Columns}.get(name)
        if kind is None:
            parts.add_module(name, layer)
        else:
            assert isinstance(layer, nn.Linear)
            parts.add_module(name, kind(layer, team.rank, team.size))
    return Part(parts, net, "shared", team, {})


def _pair(net: AlexNet) -> tuple[str, str]:
    first, second = [layer.name for layer in net.lineage.layers if isinstance(layer, Linear)][:2]
    return first, second
