"""The 2014 scheme on fused kernels: convolutions data parallel, units of the first two fully connected layers shared.

The gradients are those of `hybrid`. What differs is where its layers are cut: the first by its units, the second by
what it reads, so that nothing has to go over between them; and behind them every rank goes on with its own pictures,
the other fully connected layers and the loss included.
"""

import torch
from torch import Tensor, nn

from alexnet.data.loader import share
from alexnet.lineages.trace import fully_connected
from alexnet.model import AlexNet
from alexnet.parallel.buckets import Reduction
from alexnet.parallel.pieces import Columns, Part, PartOfLinear
from alexnet.parallel.scheme import Scheme
from alexnet.parallel.shares import Stretches
from alexnet.parallel.team import Team


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
        first, second = fully_connected(part.net.lineage)[:2]
        rows, self._apart = (f"{first.name}.weight", f"{first.name}.bias"), f"{second.name}.weight"
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
    linear = fully_connected(net.lineage)
    return len(linear) > 1 and linear[0].out_features % size == 0 and batch_size % (2 * size) == 0


def shared_part(net: AlexNet, team: Team) -> Part:
    """A rank's part: all of the network, but for the first two fully connected layers."""
    first, second = fully_connected(net.lineage)[:2]
    parts = nn.Sequential()
    for name, layer in net.named_children():
        kind = {first.name: PartOfLinear, second.name: Columns}.get(name)
        if kind is None:
            parts.add_module(name, layer)
        else:
            assert isinstance(layer, nn.Linear)
            parts.add_module(name, kind(layer, team.rank, team.size))
    return Part(parts, net, "shared", team, {})
