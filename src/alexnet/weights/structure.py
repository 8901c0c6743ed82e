"""Which of our tables a network is: rows compared with rows, shapes with shapes, differences put into words."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product, zip_longest
from math import prod
from typing import NamedTuple

from alexnet.errors import UsageError
from alexnet.lineages import LINEAGES, Lineage, trace, vary
from alexnet.lineages.spec import Activation, AdaptivePool, Conv, Dropout, Layer, Linear, Local, Norm, Pool, SpatialNorm
from alexnet.lineages.vary import ActivationName
from alexnet.weights.raw import RawLayer

DIGITS = 6  # constants went through float32 in most files


class Expected(NamedTuple):
    """A layer with weights in a lineage."""

    name: str
    weight: tuple[int, ...]
    bias: tuple[int, ...]


def expected_layers(lineage: Lineage) -> list[Expected]:
    """The layers with weights and their shapes, in order."""
    found = []
    shape: tuple[int, ...]
    for row in trace(lineage):
        layer, inputs = row.layer, row.in_shape[0]
        match layer:
            case Conv():
                kernel = layer.kernel_size
                shape = (layer.out_channels, inputs // layer.groups, kernel, kernel)
                found.append(Expected(layer.name, shape, shape[:1]))
            case Local():
                positions = prod(row.out_shape[1:])
                shape = (positions, layer.out_channels, inputs * layer.kernel_size**2)
                found.append(Expected(layer.name, shape, shape[:2]))
            case Linear():
                shape = (layer.out_features, prod(row.in_shape))
                found.append(Expected(layer.name, shape, shape[:1]))
    return found


def fits(layers: Iterable[RawLayer], lineage: Lineage) -> bool:
    """Whether the weights in a file have the shapes of a lineage, from the input's channels to the head's width."""
    expected = expected_layers(lineage)
    shapes = [layer.shape for layer in layers]
    return len(shapes) == len(expected) and all(
        as_matrix(shape, wanted.weight) == wanted.weight for shape, wanted in zip(shapes, expected, strict=True)
    )


def as_matrix(shape: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """A kernel over the whole map as the matrix that it is, where a matrix is wanted."""
    return (shape[0], prod(shape[1:])) if len(wanted) == 2 and len(shape) == 4 else shape


def misfit(layers: tuple[RawLayer, ...], lineage: Lineage) -> str:
    """The first difference between the shapes in a file and those of a lineage, in words."""
    expected = expected_layers(lineage)
    if len(layers) != len(expected):
        return f"{len(layers)} layers with weights, and {lineage.name} has {len(expected)}"
    for layer, wanted in zip(layers, expected, strict=True):
        shape = as_matrix(layer.shape, wanted.weight)
        if shape != wanted.weight:
            there = f"{wanted.name} of {lineage.name} {wanted.weight}"
            return f"{layer.name[:80]!r} has weights of shape {shape}, and {there}"
    return ""


def sized(lineage: Lineage, layers: tuple[RawLayer, ...]) -> Lineage:
    """The lineage with as many classes and input channels as the weights in a file have.

    Raises:
        UsageError: no network of ours has so many.
    """
    classes, channels = layers[-1].shape[0], layers[0].shape[1] if len(layers[0].shape) == 4 else 3
    return vary(
        lineage,
        num_classes=classes if classes != lineage.num_classes else None,
        in_channels=channels if channels != lineage.in_channels else None,
    )


def sized_or_same(lineage: Lineage, layers: tuple[RawLayer, ...]) -> Lineage:
    """The same, but the lineage as it is where no network of ours has so many."""
    try:
        return sized(lineage, layers)
    except UsageError:
        return lineage


def fitting(layers: tuple[RawLayer, ...]) -> list[Lineage]:
    """The lineages whose shapes are those of the weights in a file."""
    candidates = [sized_or_same(lineage, layers) for lineage in LINEAGES.values()]
    return [lineage for lineage in candidates if fits(layers, lineage)]


def carried(layers: tuple[RawLayer, ...], rows: tuple[Layer, ...], activation: ActivationName) -> list[Lineage]:
    """The lineages, with towers, norms and activation as in the file, that the rows of a file are."""
    bones = skeleton(rows)
    for norm, groups in product((True, False), (True, False)):  # as the table is, before what was switched off
        found = []
        for table in LINEAGES.values():
            other = activation if activation != table.activation else None
            lineage = vary(table, norm=norm, groups=groups, activation=other)
            if skeleton(lineage.layers) == bones and fits(layers, lineage := sized_or_same(lineage, layers)):
                found.append(lineage)
        if found:
            return found
    return []


def skeleton(rows: Iterable[Layer]) -> list[Layer]:
    """The rows as far as they change what a trained network computes, without names, widths and initial values.

    Widths are compared as shapes. Sizes rounded up or down are the same where a lineage is at home, and a maximum and
    an activation can change places.
    """
    bare = [_bare(row) for row in rows if not isinstance(row, Dropout | AdaptivePool)]
    for index in range(len(bare) - 1, 0, -1):
        before, row = bare[index - 1], bare[index]
        if isinstance(row, Activation) and isinstance(before, Pool) and before.kind == "max":
            bare[index - 1], bare[index] = row, before
    return list(with_activations(bare))


def _bare(row: Layer) -> Layer:
    match row:
        case Conv():
            return replace(row, name="", out_channels=0, std=None, bias=0.0, ceil=False)
        case Local():
            return replace(row, name="", out_channels=0, std=0.0, bias=0.0)
        case Linear():
            return replace(row, name="", out_features=0, std=None, bias=0.0)
        case Pool():
            return replace(row, name="", ceil=True)
        case Norm():
            return replace(row, name="", k=_rounded(row.k), alpha=_rounded(row.alpha), beta=_rounded(row.beta))
        case SpatialNorm():
            return replace(row, name="", alpha=_rounded(row.alpha), beta=_rounded(row.beta))
        case _:
            return replace(row, name="")


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def with_activations(rows: Iterable[Layer]) -> Iterator[Layer]:
    """The rows, an activation right behind its layer told as part of it, as our tables do."""
    waiting: Conv | Local | Linear | None = None
    for row in rows:
        if isinstance(row, Activation) and waiting is not None:
            waiting = replace(waiting, active=True)
            continue
        if waiting is not None:
            yield waiting
        waiting = row if isinstance(row, Conv | Local | Linear) else None
        if waiting is None:
            yield row
    if waiting is not None:
        yield waiting


def difference(rows: Iterable[Layer], lineage: Lineage, whose: str = "the file") -> str:
    """The first thing that a network does otherwise than a lineage, in words; "" when nothing."""
    found, wanted = skeleton(rows), skeleton(lineage.layers)
    before = "the input"
    for here, there in zip_longest(found, wanted):
        if here != there:
            return f"behind {before} {whose} has {_spoken(here)}, {lineage.name} has {_spoken(there)}"
        before = _spoken(here)
    return ""


def nearest(rows: Iterable[Layer], lineages: Iterable[Lineage]) -> Lineage | None:
    """The lineage that begins like a network for the longest; None of none."""
    bones = skeleton(rows)

    def alike(lineage: Lineage) -> int:
        pairs = enumerate(zip(bones, skeleton(lineage.layers), strict=False))
        return next((place for place, (here, there) in pairs if here != there), len(bones))

    return max(lineages, key=alike, default=None)


def _spoken(row: Layer | None) -> str:
    match row:
        case None:
            return "nothing more"
        case Conv():
            groups = f" in {row.groups} groups" if row.groups > 1 else ""
            quiet = "" if row.active else " without activation"
            kernel = f"{row.kernel_size}x{row.kernel_size}"
            return f"a {kernel} convolution (stride {row.stride}, padding {row.padding}){groups}{quiet}"
        case Norm():
            return f"LRN (size {row.size}, k {row.k:g}, alpha {row.alpha:g}, beta {row.beta:g}" + (
                f", in {row.groups} towers)" if row.groups > 1 else ")"
            )
        case Pool():
            return f"{row.kind} pooling ({row.kernel_size}x{row.kernel_size}, stride {row.stride})"
        case Linear():
            return "a fully connected layer" + ("" if row.active else " without activation")
        case SpatialNorm():
            return f"LRN within maps (size {row.size}, alpha {row.alpha:g}, beta {row.beta:g})"
        case Activation():
            return "an activation"
        case _:
            return type(row).__name__
