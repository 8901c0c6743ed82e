"""`alexnet weights info FILE`: what a file of weights is, and from where that is known."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from alexnet.cli.options import External, Json, LineageName, Mean
from alexnet.cli.output import say, show, table
from alexnet.cli.settings import command

if TYPE_CHECKING:
    from alexnet.weights.about import About, Array
    from alexnet.weights.raw import Fact

# How people say what a fact is about; others keep their name.
SPOKEN = {
    "name": "called", "order": "colours", "range": "values", "mean": "mean, RGB", "mean_image": "mean image",
    "mean_alignment": "mean lies on", "std": "divided by", "size": "view", "resize": "cut from", "fit": "made square",
    "flatten": "map to fc", "labels": "class names", "source": "made from", "detail": "not sharper",
    "source_sha256": "its sha256",
}  # fmt: skip


def info(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A file or a folder of weights, of any kind.", show_default=False)
    ],
    lineage: LineageName = None,
    mean: Mean = None,
    external: External = None,
    json: Json = False,
) -> None:
    """Print what a file of weights is: each fact with its source, its layers, size and checksum."""
    from alexnet.weights.about import about

    found = about(file, lineage, mean=mean, external=external)
    show(json, found.to_dict(), card(found))
    if found.open_question and not json:
        say(f"Not settled: {found.open_question}")


app = command(info)


def card(found: "About") -> list[Any]:
    """All about a file, for people."""
    facts = [(SPOKEN.get(name, name), spoken(name, fact), fact.source) for name, fact in found.facts.items()]
    if found.open_question:
        facts.insert(1, ("lineage", "not settled", "see below"))
    header = ("layer", "in the file", "weights", "axes", "dtype", "biases")
    lines = (
        (
            layer.name or "?",
            layer.name_in_file[:40],
            shape(layer.weight),
            layer.weight.axes,
            layer.weight.dtype,
            "none" if layer.bias is None else shape(layer.bias),
        )
        for layer in found.layers
    )
    return [
        str(found.path),
        f"{found.size_bytes:,} bytes, sha256 {found.sha256}",
        published(found),
        "",
        table(("fact", "value", "known from"), facts),
        "",
        table(header, lines),
        "",
        f"{found.params:,} parameters",
    ]


def published(found: "About") -> str:
    """Whether it is a file that somebody publishes."""
    if found.published is None:
        return "No published file that we know the checksum of."
    return f"The published {found.published.file}, by its {found.published.checksum}: {found.published.page}"


def spoken(name: str, fact: "Fact") -> str:
    """The value of a fact in a few words."""
    from alexnet.weights.identity import as_json

    value = as_json(fact.value)
    match name:
        case "mean" | "std":
            return ", ".join(f"{number:.5g}" for number in value)
        case "range":
            return f"0..{value}"
        case "size" | "resize" | "detail":
            return f"{value} x {value}"
        case "changes":
            return ", ".join(f"{key}={change}" for key, change in value.items()) or "none"
        case "labels":
            return f"{value:,}" if value else "none"
        case "flatten":
            return ", ".join(value)
        case _:
            return str(value)


def shape(array: "Array") -> str:
    return " x ".join(str(size) for size in array.shape)
