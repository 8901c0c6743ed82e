"""A lineage with something switched: what the paper's claims compare, as another table."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

from alexnet.errors import UsageError
from alexnet.lineages.spec import Conv, Dropout, Layer, Lineage, Linear, Local, Norm, Pool, SpatialNorm

ActivationName = Literal["relu", "tanh", "sigmoid"]


def vary(
    lineage: Lineage,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    activation: ActivationName | None = None,
    norm: bool = True,
    overlap: bool = True,
    dropout: bool = True,
    groups: bool = True,
    tower_norms: bool = False,
    apart: Sequence[str] = (),
    without: Sequence[str] = (),
    width: float = 1.0,
    init_bias: float | None = None,
) -> Lineage:
    """Return the lineage with the given switches thrown; defaults change nothing, `changes` lists what did.

    Args:
        lineage: any table; one that was varied already keeps its changes.
        num_classes: width of the last layer.
        in_channels: 3, or 1 for gray pictures.
        activation: relu, tanh or sigmoid, everywhere.
        norm: False drops every response normalisation (sec. 3.3).
        overlap: False pools 2x2 at stride 2 in place of 3x3, to maps of equal size (sec. 3.4).
        dropout: False drops it (sec. 4.2).
        groups: False lets every kernel see every channel (sec. 3.5).
        tower_norms: True keeps the windows of response norms inside the towers, where there are any, as Krizhevsky's
            program did (`chm`); two processes then need not talk there.
        apart: names of convolutions and norms that each tower keeps to itself too: with conv3, and the norms, the
            towers meet at fc6 only.
        without: names of layers to leave out (sec. 7); what follows reads what they would have read.
        width: factor on the kernels of every convolution but the last: the one-GPU net of sec. 3.2 has half of them,
            and keeps the last convolution and the fully connected layers as they are.
        init_bias: initial value of the biases that the table starts above zero (sec. 5).

    Raises:
        UsageError: a value that no network can have, or towers asked for where there are none.
    """
    _check(num_classes, in_channels, activation)
    rows = _left(lineage, without)
    if not norm:
        rows = tuple(row for row in rows if not isinstance(row, Norm | SpatialNorm))
    if not dropout:
        rows = tuple(row for row in rows if not isinstance(row, Dropout))
    if not overlap:
        rows = tuple(_tiled(row) for row in rows)
    if not groups:
        rows = tuple(_dense(row) for row in rows)
    if tower_norms:
        rows = _apart(lineage, rows, [row.name for row in rows if isinstance(row, Norm)])
    if apart:
        rows = _apart(lineage, rows, apart)
    if width != 1:
        rows = _narrowed(rows, width)
    if init_bias is not None:
        rows = tuple(_biased(row, init_bias) for row in rows)
    if num_classes is not None:
        rows = (*rows[:-1], _widened(rows[-1], num_classes))

    switched = {"norm": norm, "overlap": overlap, "dropout": dropout, "groups": groups}
    given = {"num_classes": num_classes, "in_channels": in_channels, "activation": activation}
    changes = dict(lineage.changes)
    changes |= {key: value for key, value in switched.items() if not value}
    changes |= {"tower_norms": True} if tower_norms else {}
    changes |= {"apart": tuple(apart)} if apart else {}
    changes |= {"without": tuple(without)} if without else {}
    changes |= {"width": width} if width != 1 else {}
    changes |= {"init_bias": init_bias} if init_bias is not None else {}
    changes |= {key: value for key, value in given.items() if value is not None}
    return replace(
        lineage,
        layers=rows,
        in_channels=in_channels or lineage.in_channels,
        activation=activation or lineage.activation,
        changes=tuple(sorted(changes.items())),
    )


def _check(num_classes: int | None, in_channels: int | None, activation: str | None) -> None:
    if num_classes is not None and num_classes < 1:
        raise UsageError(f"num_classes is {num_classes}; a classifier needs at least 1.")
    if in_channels not in (None, 1, 3):
        raise UsageError(f"in_channels is {in_channels}; pictures have 1 (gray) or 3 (colour) channels.")
    if activation not in (None, *get_args(ActivationName)):
        raise UsageError(f"activation is {activation!r}; choose one of {', '.join(get_args(ActivationName))}.")


def _left(lineage: Lineage, without: Sequence[str]) -> tuple[Layer, ...]:
    names = [row.name for row in lineage.layers[:-1]]
    for name in without:
        if name not in names:
            raise UsageError(
                f"lineage {lineage.name} has no layer {name!r} to leave out. Choose among {', '.join(names)}."
            )
    return tuple(row for row in lineage.layers if row.name not in without)


def _narrowed(rows: tuple[Layer, ...], width: float) -> tuple[Layer, ...]:
    last = [row.name for row in rows if isinstance(row, Conv)][-1]
    return tuple(
        # each group keeps a whole number of kernels
        replace(row, out_channels=max(1, round(row.out_channels * width / row.groups)) * row.groups)
        if isinstance(row, Conv) and row.name != last
        else row
        for row in rows
    )


def _biased(row: Layer, bias: float) -> Layer:
    return replace(row, bias=bias) if isinstance(row, Conv | Local | Linear) and row.bias > 0 else row


def _tiled(row: Layer) -> Layer:
    # Rounded down, 2x2 at stride 2 makes maps as large as 3x3 at stride 2 does: 55 -> 27 -> 13 -> 6.
    return replace(row, kernel_size=2, stride=2, ceil=False) if isinstance(row, Pool) else row


def _apart(lineage: Lineage, rows: tuple[Layer, ...], names: Sequence[str]) -> tuple[Layer, ...]:
    convolutions = [row for row in rows if isinstance(row, Conv)]
    towers = max((row.groups for row in convolutions), default=1)
    if towers == 1:
        raise UsageError(
            f"lineage {lineage.name} has no towers for layers to stay in; drop tower_norms, or the names in apart."
        )
    able = [row.name for row in rows if isinstance(row, Conv | Norm) and row != convolutions[0]]
    for name in names:
        if name not in able:  # the first convolution sees the picture, which has no towers
            raise UsageError(
                f"lineage {lineage.name} has no layer {name!r} that its towers could keep apart. "
                f"Choose among {', '.join(able)}."
            )
    return tuple(
        replace(row, groups=towers) if isinstance(row, Conv | Norm) and row.name in names else row for row in rows
    )


def _dense(row: Layer) -> Layer:
    return replace(row, groups=1) if isinstance(row, Conv | Norm) else row


def _widened(row: Layer, num_classes: int) -> Layer:
    assert isinstance(row, Linear), row
    return replace(row, out_features=num_classes)
