"""From what the user asked for to a scheme around the network, and why that one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from alexnet.model import AlexNet
from alexnet.parallel.ddp import DataParallel, ShardedDataParallel
from alexnet.parallel.hybrid import Hybrid, Turns
from alexnet.parallel.pieces import Fuse
from alexnet.parallel.predict import Prediction, machine, predictions
from alexnet.parallel.scheme import Scheme
from alexnet.parallel.shared import FusedTowers, SharedUnits, shared_part, shares_equally, tower_part
from alexnet.parallel.team import Team
from alexnet.parallel.towers import Towers


@dataclass(frozen=True)
class Options:
    """What the user asked for.

    Attributes:
        wire: what gradients travel as between processes; auto: as they were computed.
        is_sharded: data parallel, each process moving its own part of the weights.
        turns: hybrid, how features come to the fully connected layers.
        moves_each_turn: hybrid, the fully connected layers move after each turn.
        is_low_precision: compute in bfloat16 where the scheme has no fused kernels.
    """

    parallel: Literal["auto", "ddp", "hybrid", "towers"] = "auto"
    wire: Literal["auto", "float32", "bfloat16"] = "auto"
    is_sharded: bool = False
    turns: Turns = "a"
    is_low_precision: bool = False
    moves_each_turn: bool = False


def make_scheme(
    net: AlexNet,
    team: Team,
    options: Options,
    batch_size: int,
    engine: Callable[[AlexNet], nn.Module] = lambda net: net,
    fuse: Fuse = lambda part: None,
) -> tuple[Scheme, str]:
    """A scheme around `net`, and in words why that one.

    Args:
        net: finished, on its device; every rank has the same weights.
        team: whose ranks share the work.
        options: what the user asked for.
        batch_size: pictures of a step, over all ranks.
        engine: gives an equal function of the same parameters, faster.
        fuse: the same for a part of the network.

    Raises:
        UsageError: the scheme asked for does not fit the lineage or the number of processes.
    """
    parameters = dict(net.named_parameters())
    if team.is_alone:
        return Scheme(net, engine(net), parameters, team), "there is nobody to share with"
    module, kind, reason = engine(net), options.parallel, "as asked"
    if kind == "auto":
        kind, reason = ("ddp", "as asked") if options.is_sharded else choose(net, batch_size, team.size, module)
    scheme: Scheme
    if kind == "towers":
        scheme = _towers(net, team, fuse)
    elif kind == "hybrid":
        scheme = _hybrid(net, team, options, batch_size, module, fuse)
    elif options.is_sharded:
        scheme = ShardedDataParallel(net, net, parameters, team, wire=_wire(options, net))
    else:
        scheme = DataParallel(net, module, parameters, team, wire=_wire(options, module))
    scheme.is_low_precision = options.is_low_precision
    if module is not net and not isinstance(scheme.module, type(module)):
        reason += "; on torch's kernels, for the fused ones do not do this"
    return scheme, reason


def _towers(net: AlexNet, team: Team, fuse: Fuse) -> Scheme:
    part = tower_part(net, team)
    fused = fuse(part)
    return Towers(net, team) if fused is None else FusedTowers(part, fused)


def _hybrid(net: AlexNet, team: Team, options: Options, batch_size: int, module: nn.Module, fuse: Fuse) -> Scheme:
    """The fused scheme where features come all at once and the ranks have equal shares, else the plain one."""
    if options.turns == "a" and shares_equally(net, batch_size, team.size):
        part = shared_part(net, team)
        fused = fuse(part)
        if fused is not None:
            return SharedUnits(part, fused, _wire(options, module))
    return Hybrid(net, team, wire=_wire(options, net), turns=options.turns, moves_each_turn=options.moves_each_turn)


def choose(
    net: AlexNet, batch_size: int, size: int, module: nn.Module
) -> tuple[Literal["ddp", "hybrid", "towers"], str]:
    """The scheme whose step is predicted to be the fastest, and by how much."""
    device = next(net.parameters()).device.type
    costs = machine(device)
    found = predictions(net.lineage, batch_size, size, costs, is_fused=module is not net)
    # The optimizer is sharded on request only: what it saves is small, and it has no fused step.
    names: dict[str, Literal["ddp", "hybrid", "towers"]] = {"ddp": "ddp", "hybrid": "hybrid", "towers": "towers"}
    if module is not net and not shares_equally(net, batch_size, size):
        del names["hybrid"]
    possible = [each for each in found if each.scheme in names]
    reason = f"predicted {_said(possible)} for a batch of {batch_size} ({costs.machine})"
    return names[possible[0].scheme], reason


def _said(found: list[Prediction]) -> str:
    first, *others = [f"{each.scheme} {1e3 * each.step_s:.3g} ms" for each in found]
    return f"{first} a step, " + ", ".join(others) if others else f"{first} a step"


def _wire(options: Options, module: nn.Module) -> torch.dtype | None:
    if options.wire == "auto":
        return getattr(module, "dtype", None)  # of a fused network's arithmetic
    return torch.bfloat16 if options.wire == "bfloat16" else torch.float32
