"""A lineage's table, row by row, into a network."""

from collections import OrderedDict
from collections.abc import Iterator
from math import prod
from string import ascii_lowercase
from typing import Any

import torch
from torch import Generator, Tensor, nn

from alexnet.errors import UsageError
from alexnet.lineages import Lineage, Row, find, trace, vary
from alexnet.lineages.spec import (
    Activation,
    AdaptivePool,
    Conv,
    Dropout,
    Layer,
    Linear,
    Local,
    Norm,
    Pool,
    SpatialNorm,
)
from alexnet.lineages.vary import ActivationName
from alexnet.model import layers
from alexnet.model.init import initialize

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


class AlexNet(nn.Sequential):
    """An AlexNet of any lineage: a sequence of named layers, conv1 to fc8.

    Feed it what the lineage's `input` describes, (B, C, H, W) floats; it answers logits (B, K). Inputs of another
    size than the lineage's run as long as fc6 still sees as many features.

    Args:
        lineage: a name (see `alexnet lineages`) or a table of your own.
        num_classes: width of the last layer; None keeps the table's.
        in_channels: 3, or 1 for gray pictures.
        activation: relu, tanh or sigmoid.
        norm, overlap, dropout, groups: False switches that idea of the paper off (see `alexnet.lineages.vary`).
        generator: draws the initial weights; None is torch's global one.

    Raises:
        UsageError: an unknown lineage, or a switch with a value it cannot have.
    """

    lineage: Lineage
    taps: dict[str, str]
    """Row of the table -> the child that ends it: its activation, where it has one."""

    def __init__(
        self,
        lineage: str | Lineage = "paper",
        *,
        num_classes: int | None = None,
        in_channels: int | None = None,
        activation: ActivationName | None = None,
        norm: bool = True,
        overlap: bool = True,
        dropout: bool = True,
        groups: bool = True,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.lineage = vary(
            find(lineage) if isinstance(lineage, str) else lineage,
            num_classes=num_classes, in_channels=in_channels, activation=activation,
            norm=norm, overlap=overlap, dropout=dropout, groups=groups,
        )  # fmt: skip
        self.taps = {}
        device = torch.get_default_device()
        with torch.device("meta"):  # torch's own initial values would be drawn for nothing
            for row in trace(self.lineage):
                self._append(row)
        if device.type != "meta":
            self.to_empty(device=device)
            initialize(self, self.lineage, generator)

    def _append(self, row: Row) -> None:
        for name, module in _modules(row, self.lineage):
            self.add_module(name, module)
            self.taps[row.layer.name] = name

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, K) of images (B, C, H, W)."""
        for layer in self:
            images = layer(images)
        return images

    def tap(self, name: str) -> str:
        """Name the child whose output is what people call the output of row `name`.

        Raises:
            UsageError: no row is called so; lists the names.
        """
        if name not in self.taps:
            raise UsageError(f"{self.lineage.name} has no layer {name!r}. It has: {', '.join(self.taps)}.")
        return self.taps[name]

    def part(self, after: str | None = None, upto: str | None = None) -> nn.Sequential:
        """Return the layers behind row `after` up to and including row `upto`; they share this network's weights."""
        children = list(self.named_children())
        names = [name for name, _ in children]
        first = names.index(self.tap(after)) + 1 if after else 0
        last = names.index(self.tap(upto)) + 1 if upto else len(names)
        return nn.Sequential(OrderedDict(children[first:last])).train(self.training)

    def __getitem__(self, index: Any) -> Any:
        """Give one layer, or several as a plain `nn.Sequential`."""
        if isinstance(index, slice):
            return nn.Sequential(OrderedDict(list(self.named_children())[index]))
        return super().__getitem__(index)


def build(lineage: Lineage) -> AlexNet:
    """Return the network of a table on the meta device: shapes without memory, for a loader to fill."""
    with torch.device("meta"):
        return AlexNet(lineage)


def _modules(row: Row, lineage: Lineage) -> Iterator[tuple[str, nn.Module]]:
    """The modules of one row, with their names: the layer, and its activation where it has one."""
    layer = row.layer
    if isinstance(layer, Linear) and len(row.in_shape) == 3:
        yield "flatten", nn.Flatten()
    if not isinstance(layer, Activation):
        yield layer.name, _module(layer, row.in_shape)
    if isinstance(layer, Activation) or (isinstance(layer, Conv | Local | Linear) and layer.active):
        yield lineage.activation + layer.name.lstrip(ascii_lowercase), ACTIVATIONS[lineage.activation]()


def _module(layer: Layer, in_shape: tuple[int, ...]) -> nn.Module:
    channels = in_shape[0]
    match layer:
        case Conv():
            kind = layers.CeilConv2d if layer.ceil else nn.Conv2d
            return kind(
                channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, groups=layer.groups
            )
        case Local():
            assert len(in_shape) == 3
            return layers.LocallyConnected2d(in_shape, layer.out_channels, layer.kernel_size, layer.padding)
        case Linear():
            return nn.Linear(prod(in_shape), layer.out_features)
        case Norm():
            return layers.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k, layer.groups)
        case SpatialNorm():
            return layers.SpatialResponseNorm(layer.size, layer.alpha, layer.beta)
        case Pool(kind="max"):
            return nn.MaxPool2d(layer.kernel_size, layer.stride, ceil_mode=layer.ceil)
        case Pool():
            return nn.AvgPool2d(layer.kernel_size, layer.stride, ceil_mode=layer.ceil)
        case AdaptivePool():
            return nn.AdaptiveAvgPool2d(layer.out_size)
        case Dropout():
            return layers.Dropout(layer.p)
        case Activation():
            raise AssertionError("activations are made by _modules, which knows the lineage's")
