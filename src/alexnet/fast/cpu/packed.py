"""Layers that keep their weights in the order in which oneDNN reads them; bias and ReLU happen on the way out.

Maps are (B, C, H, W) in channels_last. `pack` gives a layer in float32 or bfloat16 arithmetic.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet.fast.cpu.compiled import Compiled
from alexnet.fast.cpu.matvec import OPERATOR, multiplied, suits
from alexnet.model.layers import CeilConv2d

ROWS = 8
"""The batch that weights are laid out for; the layout is the same for 1, 4, 8 and 32 images on the processors tried."""


@dataclass(frozen=True)
class PackedConv:
    """A convolution, its bias, and ReLU where `is_rectified`."""

    layer: nn.Conv2d
    weight: Tensor
    bias: Tensor | None
    is_rectified: bool

    @classmethod
    def of(cls, layer: nn.Conv2d, dtype: torch.dtype, is_rectified: bool, size: int) -> "PackedConv":
        """Lay the weights of `layer` out for maps of `size`; other sizes work, perhaps slower."""
        weight = layer.weight.detach().to(dtype, memory_format=torch.channels_last)
        shape = [ROWS, layer.in_channels, size, size]
        packed = torch.ops.mkldnn._reorder_convolution_weight(
            weight, layer.padding, layer.stride, layer.dilation, layer.groups, shape
        )
        return cls(layer, packed, _cast(layer.bias, dtype), is_rectified)

    def __call__(self, maps: Tensor) -> Tensor:
        layer = self.layer
        maps = reach_over(layer, maps.to(self.weight.dtype))
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(
            maps.contiguous(memory_format=torch.channels_last), self.weight, self.bias,
            layer.padding, layer.stride, layer.dilation, layer.groups, _post(self.is_rectified), [], "",
        )  # fmt: skip
        return result


@dataclass(frozen=True)
class PackedLinear:
    """A fully connected layer, its bias, and ReLU where `is_rectified`.

    float32 weights stay where they are, in the file if they are mapped from one: their own order reads as fast for one
    image, and 15 % slower for 32 of them, than a second copy of 240 MB would. For a few images the operator reads them
    faster, where it can be had.
    """

    weight: Tensor
    bias: Tensor | None
    is_rectified: bool
    operator: Compiled = OPERATOR

    @classmethod
    def of(cls, layer: nn.Linear, dtype: torch.dtype, is_rectified: bool) -> "PackedLinear":
        weight = layer.weight.detach()
        if dtype != weight.dtype:
            weight = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype), ROWS)
        return cls(weight, _cast(layer.bias, dtype), is_rectified)

    def __call__(self, features: Tensor) -> Tensor:
        function = self.operator.find() if suits(features, self.weight) else None
        if function is not None:
            return multiplied(function, features, self.weight, self.bias, self.is_rectified)
        result: Tensor = torch.ops.mkldnn._linear_pointwise(
            features.to(self.weight.dtype), self.weight, self.bias, _post(self.is_rectified), [], ""
        )
        return result


def reach_over(layer: nn.Conv2d, maps: Tensor, value: float = 0) -> Tensor:
    """Maps with what a convolution reads beyond the edge by rounding up its output, if it does."""
    if not isinstance(layer, CeilConv2d):
        return maps
    below, right = layer.overhang(maps)
    return F.pad(maps, (0, right, 0, below), value=value)


def _post(is_rectified: bool) -> str:
    return "relu" if is_rectified else "none"


def _cast(bias: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if bias is None else bias.detach().to(dtype)
