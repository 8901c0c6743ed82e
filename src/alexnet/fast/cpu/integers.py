"""Layers in int8: weights symmetric with a scale per output channel, activations uint8 with one scale and a zero.

A layer that feeds another through nothing but max pooling hands its result on as the uint8 that the other expects.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from alexnet.fast.cpu.packed import ROWS, reach_over
from alexnet.fast.cpu.processor import largest_weight


@dataclass(frozen=True)
class Range:
    """What uint8 stands for: value = (number - zero) * scale."""

    scale: float
    zero: int

    @classmethod
    def of(cls, low: float, high: float) -> "Range":
        """The finest range that holds zero and everything from `low` to `high`."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = (high - low) / 255 or 1.0
        return cls(scale, round(-low / scale))

    def quantized(self, maps: Tensor) -> Tensor:
        """The nearest uint8; what lies outside becomes the end of the range."""
        return torch.mul(maps, 1 / self.scale).add_(self.zero + 0.5).clamp_(0, 255.5).to(torch.uint8)


@dataclass(frozen=True)
class IntegerConv:
    """A convolution of uint8 maps; float32 maps are quantized first.

    Attributes:
        inputs: what the numbers it reads stand for.
        outputs: of those it writes; None writes float32.
    """

    layer: nn.Conv2d
    weight: Tensor
    scales: Tensor
    inputs: Range
    outputs: Range | None
    is_rectified: bool

    @classmethod
    def of(cls, layer: nn.Conv2d, is_rectified: bool, size: int, inputs: Range, outputs: Range | None) -> "IntegerConv":
        numbers, scales = quantized_weight(layer.weight.detach())
        packed = torch.ops.onednn.qconv_prepack(
            numbers.contiguous(memory_format=torch.channels_last), scales, inputs.scale, inputs.zero,
            layer.stride, layer.padding, layer.dilation, layer.groups, [1, layer.in_channels, size, size],
        )  # fmt: skip
        return cls(layer, packed, scales, inputs, outputs, is_rectified)

    def __call__(self, maps: Tensor) -> Tensor:
        layer, inputs = self.layer, self.inputs
        numbers = maps if maps.dtype == torch.uint8 else inputs.quantized(maps)
        numbers = reach_over(layer, numbers, inputs.zero).contiguous(memory_format=torch.channels_last)
        result: Tensor = torch.ops.onednn.qconv_pointwise(
            numbers, inputs.scale, inputs.zero, self.weight, self.scales, _zeros(self.scales), layer.bias,
            layer.stride, layer.padding, layer.dilation, layer.groups, *_written(self.outputs, self.is_rectified),
        )  # fmt: skip
        return result


@dataclass(frozen=True)
class IntegerLinear:
    """A fully connected layer of uint8 features; see `IntegerConv`."""

    weight: Tensor
    scales: Tensor
    bias: Tensor | None
    inputs: Range
    outputs: Range | None
    is_rectified: bool

    @classmethod
    def of(cls, layer: nn.Linear, is_rectified: bool, inputs: Range, outputs: Range | None) -> "IntegerLinear":
        numbers, scales = quantized_weight(layer.weight.detach())
        packed = torch.ops.onednn.qlinear_prepack(numbers, [ROWS, layer.in_features])
        return cls(packed, scales, layer.bias, inputs, outputs, is_rectified)

    def __call__(self, features: Tensor) -> Tensor:
        numbers = features if features.dtype == torch.uint8 else self.inputs.quantized(features)
        result: Tensor = torch.ops.onednn.qlinear_pointwise(
            numbers, self.inputs.scale, self.inputs.zero, self.weight, self.scales, _zeros(self.scales), self.bias,
            *_written(self.outputs, self.is_rectified),
        )  # fmt: skip
        return result


def quantized_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return int8 numbers of the same shape and the scale (O,) of each output channel."""
    largest = largest_weight()
    rows = weight.flatten(1)
    scales = rows.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / largest
    return (rows / scales[:, None]).round_().to(torch.int8).view_as(weight), scales


def _zeros(scales: Tensor) -> Tensor:
    return torch.zeros(len(scales), dtype=torch.int64)


def _written(outputs: Range | None, is_rectified: bool) -> tuple[float, int, torch.dtype, str, list[int], str]:
    """The operators' words for what comes out: scale, zero, type, activation and its settings."""
    activation = "relu" if is_rectified else "none"
    if outputs is None:
        return 1.0, 0, torch.float32, activation, [], ""
    return outputs.scale, outputs.zero, torch.uint8, activation, [], ""
