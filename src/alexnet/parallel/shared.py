"""Parts of a network as fused kernels want them: where a message can be spared, some layers are cut another way.

**The 2014 scheme**: convolutions data parallel, units of the first two fully connected layers shared. The first is cut
by its units, the second by what it reads, so that nothing has to go over between them; and behind them every rank goes
on with its own pictures, the other fully connected layers and the loss included.

**Towers**: of the fully connected layers the first, third, ... are cut by what they read, the others by their units. So
three sums of features go over where gathering each layer's inputs takes seven messages.

The gradients are those of `hybrid` and of `towers`.
"""

from collections.abc import Collection

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
from alexnet.parallel.towers import Tower, cuts, exchanges


class FusedParts(Scheme):
    """Parts of a network that only fused kernels work on; columns of a matrix are held in a copy.

    Args:
        part: of `shared_part` or `tower_part`.
        module: the same as a function.
        rows: parameters that are cut into rows.
        columns: matrices that are cut into columns.
    """

    def __init__(self, part: Part, module: nn.Module, rows: Collection[str], columns: Collection[str]) -> None:
        super().__init__(part.net, module, dict(part.module.named_parameters()), part.team)
        shapes, size = {name: p.shape for name, p in part.net.named_parameters()}, self.team.size
        of_columns = {name: [share(shapes[name][1], rank, size) for rank in range(size)] for name in columns}
        self.stretches = Stretches(
            Stretches.by_rows({name: shapes[name] for name in rows}, size).of,
            {name: tuple((cut.start, cut.stop) for cut in each) for name, each in of_columns.items()},
        )

    def take_up(self) -> None:
        for name, columns in self._own_columns().items():
            self.parameters[name].data.copy_(columns)

    def assemble(self) -> None:
        for name, columns in self._own_columns().items():
            columns.copy_(self.parameters[name].detach())
        super().assemble()

    def _own_columns(self) -> dict[str, Tensor]:
        """This rank's columns, in the network."""
        matrices = {name: self.net.get_parameter(name).detach() for name in self.stretches.columns}
        return {name: self.stretches.cut(name, matrix, self.team.rank) for name, matrix in matrices.items()}


class SharedUnits(FusedParts):
    """The 2014 scheme.

    Args:
        part: of `shared_part`.
        module: the same as a function.
        wire: what the gradients of the layers that all ranks have travel as.
    """

    name = "hybrid"
    is_regular = True

    def __init__(self, part: Part, module: nn.Module, wire: torch.dtype | None = None) -> None:
        first, second = (layer.name for layer in fully_connected(part.net.lineage)[:2])
        super().__init__(part, module, (f"{first}.weight", f"{first}.bias"), (f"{second}.weight",))
        copied = {name: p for name, p in self.parameters.items() if name not in self.stretches}
        self.reduction = Reduction(copied, self.team, wire)

    def exchange(self) -> Reduction:
        return self.reduction


class FusedTowers(FusedParts):
    """Two towers.

    Args:
        part: of `tower_part`.
        module: the same as a function.
    """

    name = "towers"
    has_whole_loss = True

    def __init__(self, part: Part, module: nn.Module) -> None:
        read = [name for name, cut in cuts(part.net.lineage).items() if cut == "inputs"]
        columns, alike = ({f"{name}.{kind}" for name in read} for kind in ("weight", "bias"))
        names = [name for name, _ in part.net.named_parameters()]
        super().__init__(part, module, [name for name in names if name not in columns | alike], columns)
        self.part = (0, 1)
        self._alike = alike

    def exchange(self) -> Reduction:
        """Nothing is added up but the norm, for which the first counts what both have."""
        return Reduction({}, self.team, elsewhere=self._alike if self.team.rank else ())


def shares_equally(net: AlexNet, batch_size: int, size: int) -> bool:
    """Whether so many ranks have as many units and as many pictures each, pairs of pictures staying together."""
    linear = fully_connected(net.lineage)
    return len(linear) > 1 and linear[0].out_features % size == 0 and batch_size % (2 * size) == 0


def shared_part(net: AlexNet, team: Team) -> Part:
    """A rank's part of the 2014 scheme: all of the network, but for the first two fully connected layers."""
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


def tower_part(net: AlexNet, team: Team) -> Part:
    """One of two towers, its fully connected layers as `cuts` says."""
    tower, cut = Tower(net, team), cuts(net.lineage)
    for name in (name for name, by in cut.items() if by == "inputs"):
        layer = net.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        tower.set_submodule(name, Columns(layer, team.rank, team.size))
    return Part(tower, net, "tower", team, {**exchanges(net.lineage), **cut})
