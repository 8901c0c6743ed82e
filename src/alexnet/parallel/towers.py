"""The paper's own scheme: two towers, one on each of two processes, that meet where a kernel sees both.

Where that is stands in the lineage's table: a row with groups=2 stays inside its tower, one without sees all channels,
so that these are exchanged before it. A response norm across towers needs only the channels at their border; one with
groups=2 (chm) not even these.

Source: Krizhevsky et al. 2012, sec. 3.5 and fig. 2.
"""

from torch import Tensor, nn

from alexnet.errors import UsageError
from alexnet.lineages import Lineage
from alexnet.lineages.spec import Conv, Linear, Local, Norm
from alexnet.lineages.trace import fully_connected
from alexnet.model import AlexNet
from alexnet.parallel.pieces import parts
from alexnet.parallel.scheme import Loss, Scheme
from alexnet.parallel.shares import Stretches
from alexnet.parallel.team import Team

TOWERS = 2


def exchanges(lineage: Lineage) -> dict[str, str]:
    """Rows before which towers talk: "whole" where all channels go over, "border" where those at the edge do.

    The first convolution sees the picture, which both have.
    """
    found, is_split = {}, False
    for layer in lineage.layers:
        match layer:
            case Conv(groups=1) | Linear() if is_split:
                found[layer.name] = "whole"
            case Norm(groups=1) if is_split:
                found[layer.name] = "border"
        is_split = is_split or isinstance(layer, Conv | Linear)
    return found


def cuts(lineage: Lineage) -> dict[str, str]:
    """What the fully connected layers of two fused towers are cut by, the inputs or the units, in turns.

    The first reads the channels of its own tower, and what is added up then all have; so the second takes some units of
    it all, and the third reads these.
    """
    return {layer.name: ("inputs", "units")[number % 2] for number, layer in enumerate(fully_connected(lineage))}


def require_towers(lineage: Lineage, size: int) -> None:
    """Refuse what does not go on two processes as two towers.

    Raises:
        UsageError: the lineage has no towers, or there are not two processes.
    """
    groups = {layer.groups for layer in lineage.layers if isinstance(layer, Conv)}
    if max(groups, default=1) != TOWERS or any(isinstance(layer, Local) for layer in lineage.layers):
        raise UsageError(
            f"lineage {lineage.name} has no two towers: none of its convolutions has groups=2. Use --parallel ddp or "
            "hybrid, or a lineage with towers, such as paper, chm, bvlc or caffenet."
        )
    if size != TOWERS:
        raise UsageError(
            f"--parallel towers puts one of two towers on each process, and there are {size} processes. Start two, or "
            "use --parallel ddp or hybrid."
        )


class Tower(nn.Sequential):
    """One tower of a network, whose parameters are stretches of the network's own.

    Both get the same pictures, (B, C, H, W), and answer the whole network's logits (B, K).
    """

    def __init__(self, net: AlexNet, team: Team) -> None:
        super().__init__()
        require_towers(net.lineage, team.size)
        children = [name for name, _ in net.named_children()]
        for name, layer in parts(net, children, exchanges(net.lineage), team):
            self.add_module(name, layer)
        self.train(net.training)


class Towers(Scheme):
    """Two processes, a tower each: both see every picture."""

    name = "towers"
    has_whole_loss = True

    def __init__(self, net: AlexNet, team: Team) -> None:
        tower = Tower(net, team)
        super().__init__(net, tower, dict(tower.named_parameters()), team)
        self.stretches = Stretches.by_rows({name: p.shape for name, p in net.named_parameters()}, team.size)
        self.part = (0, 1)

    def gradients(self, inputs: Tensor, labels: Tensor, loss_of: Loss, batch_size: int) -> Tensor:
        loss = super().gradients(inputs, labels, loss_of, batch_size)
        return loss if self.team.rank == 0 else loss.new_zeros(())  # both have the whole loss
