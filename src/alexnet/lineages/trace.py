"""Shapes, parameters and multiply-adds of a lineage, from the table alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from alexnet.errors import UsageError
from alexnet.lineages.spec import AdaptivePool, Conv, Layer, Lineage, Linear, Local, Pool

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One layer at work: shapes without the batch axis, counts per image.

    `macs` counts one multiply-add per weight and position; bias adds, norms, pools and activations are left out.
    """

    layer: Layer
    in_shape: Shape
    out_shape: Shape
    weights: int = 0
    biases: int = 0
    macs: int = 0

    @property
    def params(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases


@dataclass(frozen=True)
class Totals:
    """Sums over a lineage; `conv` counts every layer before the first fully connected one."""

    params: int
    macs: int
    conv_params: int
    conv_macs: int
    units: int

    @property
    def conv_params_share(self) -> float:
        """Share of the parameters that sit in convolutions, 0..1."""
        return self.conv_params / self.params

    @property
    def conv_macs_share(self) -> float:
        """Share of the multiply-adds that convolutions do, 0..1."""
        return self.conv_macs / self.macs


def out_size(size: int, kernel_size: int, stride: int, padding: int, ceil: bool) -> int:
    """Side of the map that a window of `kernel_size` makes of a side of `size`, both in pixels.

    Rounding up follows cuda-convnet, `1 + ceil((2*pad + size - filter) / stride)`, and Caffe's pooling.

    Raises:
        UsageError: the window is larger than the padded picture.
    """
    span = size + 2 * padding - kernel_size
    if span < 0:
        raise UsageError(f"a window of {kernel_size} does not fit into a map of {size} pixels; feed larger pictures.")
    return 1 + (-(-span // stride) if ceil else span // stride)


def trace(lineage: Lineage, size: int | None = None) -> tuple[Row, ...]:
    """Follow one image of `size` pixels (default: the lineage's own) through the rows of the table."""
    return tuple(_walk(lineage, size or lineage.input.size))


def _walk(lineage: Lineage, size: int) -> Iterator[Row]:
    shape: Shape = (lineage.in_channels, size, size)
    for layer in lineage.layers:
        row = _row(layer, shape)
        yield row
        shape = row.out_shape


def _row(layer: Layer, shape: Shape) -> Row:
    match layer:
        case Conv():
            side = out_size(shape[1], layer.kernel_size, layer.stride, layer.padding, layer.ceil)
            weights = layer.out_channels * (shape[0] // layer.groups) * layer.kernel_size**2
            out = (layer.out_channels, side, side)
            return Row(layer, shape, out, weights, layer.out_channels, weights * side**2)
        case Local():
            side = out_size(shape[1], layer.kernel_size, 1, layer.padding, ceil=False)
            out = (layer.out_channels, side, side)
            weights = prod(out) * shape[0] * layer.kernel_size**2
            return Row(layer, shape, out, weights, prod(out), weights)
        case Linear():
            weights = layer.out_features * prod(shape)
            return Row(layer, shape, (layer.out_features,), weights, layer.out_features, weights)
        case Pool():
            side = out_size(shape[1], layer.kernel_size, layer.stride, 0, layer.ceil)
            return Row(layer, shape, (shape[0], side, side))
        case AdaptivePool():
            return Row(layer, shape, (shape[0], layer.out_size, layer.out_size))
        case _:
            return Row(layer, shape, shape)


def totals(rows: tuple[Row, ...]) -> Totals:
    """Add up what `trace` returned. Units are outputs of layers with weights, as the paper counts neurons."""
    conv = [row for row in rows if isinstance(row.layer, Conv | Local)]
    return Totals(
        params=sum(row.params for row in rows),
        macs=sum(row.macs for row in rows),
        conv_params=sum(row.params for row in conv),
        conv_macs=sum(row.macs for row in conv),
        units=sum(prod(row.out_shape) for row in rows if row.weights),
    )


def fully_connected(lineage: Lineage) -> tuple[Linear, ...]:
    """The fully connected layers, in order."""
    return tuple(layer for layer in lineage.layers if isinstance(layer, Linear))


def weighted(lineage: Lineage) -> tuple[str, ...]:
    """Names of the layers that have weights, in order."""
    return tuple(row.layer.name for row in trace(lineage) if row.weights)
