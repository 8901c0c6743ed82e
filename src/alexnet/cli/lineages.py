"""`alexnet lineages [NAME]`: the AlexNets there are, and the layer table of one."""

from typing import Annotated, Any

import typer

from alexnet.cli.options import Json
from alexnet.cli.output import percent, show, table
from alexnet.cli.settings import command
from alexnet.lineages import LINEAGES, Lineage, Row, Totals, find, totals, trace
from alexnet.lineages.describe import WORDS, layer_facts
from alexnet.lineages.spec import Activation, Conv, Dropout, Layer, Linear, Local, Norm, Pool

ACTIVATIONS = {"relu": "ReLU", "tanh": "tanh", "sigmoid": "sigmoid"}


def lineages(
    name: Annotated[str | None, typer.Argument(help="A lineage, such as paper or bvlc.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Print the lineages and how they differ; with NAME, its layers with shapes, parameters and multiply-adds."""
    if name is None:
        show(json, [summary(lineage) for lineage in LINEAGES.values()], overview_parts())
    else:
        lineage = find(name)
        layers = [layer_facts(row) for row in trace(lineage)]
        show(json, summary(lineage) | {"layers": layers}, card(lineage))


app = command(lineages)


def summary(lineage: Lineage) -> dict[str, Any]:
    """The facts of a lineage, as `--json` prints them."""
    sums = totals(trace(lineage))
    norm = first_norm(lineage)
    return {
        "name": lineage.name,
        "title": lineage.title,
        "params": sums.params,
        "macs": sums.macs,
        "conv_params": sums.conv_params,
        "conv_macs": sums.conv_macs,
        "conv_params_share": sums.conv_params_share,
        "conv_macs_share": sums.conv_macs_share,
        "units": sums.units,
        "input_size": lineage.input.size,
        "input_order": lineage.input.order,
        "num_classes": lineage.num_classes,
        "groups": towers(lineage),
        "lrn": norm and {"size": norm.size, "k": norm.k, "alpha": norm.alpha, "beta": norm.beta, "groups": norm.groups},
        "order": first_stage(lineage),
        "source": lineage.source,
        "notes": list(lineage.notes),
    }


def overview_parts() -> list[Any]:
    """All lineages, what is said of them, and where each is written down."""
    return [overview(), "", folk_figures(), "", sources(), "", "The layers of one: alexnet lineages NAME"]


def overview() -> Any:
    """All lineages, a line each."""
    header = ("name", "params", "MACs", "input", "groups", "LRN", "first stage")
    return table(header, (overview_row(lineage) for lineage in LINEAGES.values()), right=header[1:5])


def overview_row(lineage: Lineage) -> tuple[str, ...]:
    sums = totals(trace(lineage))
    norm = first_norm(lineage)
    order = " ".join(first_stage(lineage))
    lrn = f"k={norm.k:g} {norm.alpha:.0e}".replace("e-0", "e-") if norm else "none"
    counts = (f"{sums.params:,}", f"{sums.macs:,}", f"{lineage.input.size}", f"{towers(lineage)}")
    return (lineage.name, *counts, lrn, order)


def first_norm(lineage: Lineage) -> Norm | None:
    """The first LRN of the table."""
    return next((layer for layer in lineage.layers if isinstance(layer, Norm)), None)


def towers(lineage: Lineage) -> int:
    """Groups of the convolutions: 2 for the paper's two towers."""
    return max(layer.groups for layer in lineage.layers if isinstance(layer, Conv))


def first_stage(lineage: Lineage) -> list[str]:
    """What happens between the first convolution and the second, in order."""
    first, *rest = lineage.layers
    words = [ACTIVATIONS[lineage.activation]] if getattr(first, "active", False) else []
    for layer in rest:
        if isinstance(layer, Conv | Local | Linear):
            break
        words.append(ACTIVATIONS[lineage.activation] if isinstance(layer, Activation) else WORDS[type(layer)])
    return words


def folk_figures() -> str:
    """Which lineage the popular figures about "AlexNet" are true of, computed from the tables."""
    sums = {name: totals(trace(lineage)) for name, lineage in LINEAGES.items()}
    true_of = [name for name, each in sums.items() if is_folk(each)]
    grouped = [name for name, each in sums.items() if each == sums["paper"]]
    lines = ['"62.3 M parameters, 1.1 billion operations, 6 % and 95 % of them in convolutions" is true of:']
    lines += [f"  {name}: {shares(sums[name])}" for name in true_of]
    lines += [f"and not of the two towers of {', '.join(grouped)}:", f"  {shares(sums['paper'])}"]
    return "\n".join(lines)


def is_folk(sums: Totals) -> bool:
    """Whether the popular figures, cut off as they are usually quoted, hold for a network."""
    counts = (sums.params // 100_000, sums.macs // 100_000_000)
    return counts == (623, 11) and (round(100 * sums.conv_params_share), round(100 * sums.conv_macs_share)) == (6, 95)


def shares(sums: Totals) -> str:
    """Totals in words: parameters, multiply-adds and the convolutions' part in both."""
    conv = f"{percent(sums.conv_params_share)} / {percent(sums.conv_macs_share)} in convolutions"
    return f"{sums.params:,} parameters, {sums.macs:,} MACs; {conv}"


def sources() -> Any:
    """Where each lineage is written down."""
    return table(("name", "source"), ((lineage.name, lineage.source) for lineage in LINEAGES.values()))


def card(lineage: Lineage) -> list[Any]:
    """A lineage's title, layer table, totals, notes and source, one below the other."""
    rows, view = trace(lineage), lineage.input
    header = ("layer", "kind", "out", "params", "MACs")
    lines = ((row.layer.name, kind(row.layer), shape(row), count(row.params), count(row.macs)) for row in rows)
    sums = totals(rows)
    return [
        f"{lineage.name}: {lineage.title}",
        f"input: {view.size} x {view.size} {view.order} of 0..{view.range}, cut from {view.resize} x {view.resize}",
        "",
        table(header, lines, right=header[3:]),
        "",
        f"total: {shares(sums)}",
        f"fully connected: {sums.params - sums.conv_params:,} parameters, {sums.macs - sums.conv_macs:,} MACs",
        *(f"note: {note}" for note in lineage.notes),
        f"source: {lineage.source}",
    ]


def kind(layer: Layer) -> str:
    """A layer in a few words: conv 11x11/4, max pool 3x3/2."""
    match layer:
        case Conv():
            groups = f" in {layer.groups} groups" if layer.groups > 1 else ""
            return f"conv {layer.kernel_size}x{layer.kernel_size}/{layer.stride}{groups}"
        case Local():
            return f"local {layer.kernel_size}x{layer.kernel_size}"
        case Pool():
            return f"{layer.kind} pool {layer.kernel_size}x{layer.kernel_size}/{layer.stride}"
        case Norm():
            inside = f" in {layer.groups} groups" if layer.groups > 1 else ""
            return f"LRN n={layer.size} k={layer.k:g}{inside}"
        case Dropout():
            return f"dropout {layer.p:g}"
        case _:
            return WORDS[type(layer)]


def shape(row: Row) -> str:
    """The shape of a layer's output: 96 x 55 x 55."""
    return " x ".join(str(size) for size in row.out_shape)


def count(number: int) -> str:
    """A count with its thousands; nothing for none."""
    return f"{number:,}" if number else ""
