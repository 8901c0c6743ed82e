"""From what the user asked for to a scheme around the network, and why that one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from alexnet.model import AlexNet
from alexnet.parallel.ddp import DataParallel, ShardedDataParallel
from alexnet.parallel.hybrid import Hybrid, Turns
from alexnet.parallel.scheme import Scheme
from alexnet.parallel.team import Team
from alexnet.parallel.towers import Towers


@dataclass(frozen=True)
class Options:
    """What the user asked for.

    Attributes:
        wire: what gradients travel as between processes; auto: as they were computed.
        is_sharded: data parallel, each process moving its own part of the weights.
        turns: hybrid, how features come to the fully connected layers.
    """

    parallel: Literal["auto", "ddp", "hybrid", "towers"] = "auto"
    wire: Literal["auto", "float32", "bfloat16"] = "auto"
    is_sharded: bool = False
    turns: Turns = "a"


def make_scheme(
    net: AlexNet,
    team: Team,
    options: Options,
    batch_size: int,
    engine: Callable[[AlexNet], nn.Module] = lambda net: net,
) -> tuple[Scheme, str]:
    """A scheme around `net`, and in words why that one.

    Args:
        net: finished, on its device; every rank has the same weights.
        team: whose ranks share the work.
        options: what the user asked for.
        batch_size: pictures of a step, over all ranks.
        engine: gives an equal function of the same parameters, faster.
    """
    parameters = dict(net.named_parameters())
    if team.is_alone:
        return Scheme(net, engine(net), parameters, team), "there is nobody to share with"
    if options.parallel == "towers":
        return Towers(net, team), "as asked"
    if options.parallel == "hybrid":
        return Hybrid(net, team, wire=_wire(options, net), turns=options.turns), "as asked"
    if options.is_sharded:
        return ShardedDataParallel(net, net, parameters, team, wire=_wire(options, net)), "as asked"
    module = engine(net)
    return DataParallel(net, module, parameters, team, wire=_wire(options, module)), "as asked"


def _wire(options: Options, module: nn.Module) -> torch.dtype | None:
    if options.wire == "auto":
        return getattr(module, "dtype", None)  # of a fused network's arithmetic
    return torch.bfloat16 if options.wire == "bfloat16" else torch.float32
