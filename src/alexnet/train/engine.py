"""The form in which a network trains: as it is, or fused for the GPU."""

from typing import Literal

import torch
from torch import nn

from alexnet.errors import UsageError
from alexnet.fast import FastNet, accelerate
from alexnet.fast.rewrite import has_triton
from alexnet.fast.shared import accelerate_shared
from alexnet.fast.tower import accelerate_tower
from alexnet.model import AlexNet
from alexnet.parallel.pieces import Part

Precision = Literal["auto", "float32", "bfloat16"]


def engine(net: AlexNet, precision: Precision) -> nn.Module:
    """Return an equal function of the same parameters: fused where the GPU kernels run, else `net` itself.

    Raises:
        UsageError: bfloat16 was asked for where only float32 runs.
    """
    is_on_gpu = next(net.parameters()).is_cuda
    fused = accelerate(net, _dtype(precision)) if is_on_gpu else net
    if precision == "bfloat16" and not isinstance(fused, FastNet):
        why = f"the kernels do not know all layers of {net.lineage.name}" if is_on_gpu else "there is no CUDA device"
        raise UsageError(f"precision is bfloat16, but training in it needs our GPU kernels, and {why}. Leave it out.")
    return fused


def part_engine(part: Part, precision: Precision) -> FastNet | None:
    """A part of a network, fused where the GPU kernels run and know it."""
    is_on_gpu = next(part.module.parameters()).is_cuda
    return fused_part(part, _dtype(precision)) if is_on_gpu and has_triton() else None


def fused_part(part: Part, dtype: torch.dtype) -> FastNet | None:
    """A part of a network in stages; None where the kernels do not know some layer."""
    lineage = part.net.lineage
    if part.kind == "tower":
        return accelerate_tower(part.module, lineage, part.talks, part.team, dtype)
    return accelerate_shared(part.module, lineage, part.team, dtype)


def _dtype(precision: Precision) -> torch.dtype:
    return torch.float32 if precision == "float32" else torch.bfloat16
