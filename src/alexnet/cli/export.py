"""`alexnet export -o NET.onnx`: a network for other runtimes, compared with ours before it says ok."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from alexnet.cli.options import Classes, Json, LineageName, Mean, Weights, flag
from alexnet.cli.output import say, show
from alexnet.cli.settings import command

if TYPE_CHECKING:
    from alexnet.inference.export import Export


class Formats(StrEnum):
    onnx = "onnx"
    hf = "hf"
    script = "script"


class Inputs(StrEnum):
    images = "images"
    picture = "picture"


def export(
    output: Annotated[Path, flag("--output", "-o", help="A file, or a folder for hf.", metavar="PATH")] = Path(
        "alexnet.onnx"
    ),
    weights: Weights = None,
    lineage: LineageName = None,
    classes: Classes = None,
    mean: Mean = None,
    format: Annotated[
        Formats | None, flag(help="hf: a folder for the Hugging Face hub.", show_default="by the suffix of PATH")
    ] = None,
    input: Annotated[
        Inputs, flag(help="picture: uint8 RGB of any size, with the preprocessing in the graph.")
    ] = Inputs.images,
    int8: Annotated[bool, flag("--int8", help="Weights and activations in 8 bits.", show_default=False)] = False,
    check: Annotated[
        list[str] | None,
        flag(help="Pictures to compare on; may be repeated.", metavar="IMAGE", show_default="the packaged photos"),
    ] = None,
    json: Json = False,
) -> None:
    """Write a network as ONNX, as a hub folder or as a small program, and compare its answers with ours.

    ONNX keeps the norms as single nodes, and holds labels and preprocessing. A .py is a program that needs numpy,
    onnxruntime and Pillow alone.
    """
    from alexnet.inference import load
    from alexnet.inference.export import export as write

    classifier = load(weights, "cpu", lineage, classes, mean=mean)
    done = write(
        classifier,
        output,
        format.value if format else None,
        input=input.value,
        int8=int8,
        check=check or None,
        tell=say,
    )
    for line in done.lost:
        say(f"Not in the file: {line} (with --input picture all of it is in the graph)")
    show(json, done.to_json(), summary(done))


app = command(export)


def summary(done: "Export") -> list[Any]:
    """How the export was checked, and where it is."""
    found, resized = done.agreement, done.resized
    lines = [
        f"ok on {found.pictures} pictures: largest relative error of the logits {found.relative_error:.1e}, same top-1"
        f" for {found.same_top1:.0%}, same top-5 for {found.same_top5:.0%}"
    ]
    if resized is not None:
        lines.append(f"resized by the graph: {resized.relative_error:.1e}, same top-1 for {resized.same_top1:.0%}")
    return [*lines, f"{done.bytes / 1e6:,.1f} MB:", *(f"  {file}" for file in done.files)]
