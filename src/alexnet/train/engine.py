"""The form in which a network trains: as it is, or fused for the GPU."""

from typing import Literal

import torch
from torch import nn

from alexnet.errors import UsageError
from alexnet.fast import FastNet, accelerate
from alexnet.model import AlexNet

Precision = Literal["auto", "float32", "bfloat16"]


def engine(net: AlexNet, precision: Precision) -> nn.Module:
    """Return an equal function of the same parameters: fused where the GPU kernels run, else `net` itself.

    Raises:
        UsageError: bfloat16 was asked for where only float32 runs.
    """
    is_on_gpu = next(net.parameters()).is_cuda
    fused = accelerate(net, torch.float32 if precision == "float32" else torch.bfloat16) if is_on_gpu else net
    if precision == "bfloat16" and not isinstance(fused, FastNet):
        why = f"the kernels do not know all layers of {net.lineage.name}" if is_on_gpu else "there is no CUDA device"
        raise UsageError(f"precision is bfloat16, but training in it needs our GPU kernels, and {why}. Leave it out.")
    return fused
