"""`alexnet explain maps IMAGE`: what a layer makes of a picture."""

from typing import Annotated

from alexnet.cli.figure import Figure, OneImage, finish
from alexnet.cli.options import Device, Json, LineageName, Mean, Weights, flag
from alexnet.cli.settings import command


def maps(
    image: OneImage,
    layer: Annotated[
        str | None, flag(help="Any layer, such as pool1 or fc6.", metavar="NAME", show_default="the last convolution")
    ] = None,
    count: Annotated[int, flag("--maps", help="How many, the strongest first.", metavar="N")] = 24,
    output: Figure = None,
    weights: Weights = None,
    lineage: LineageName = None,
    mean: Mean = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Draw the strongest maps of a layer, or all its numbers as a square where it has no maps."""
    from alexnet.inference import load
    from alexnet.inference.explain_layers import explain_maps

    explanation = explain_maps(load(weights, device, lineage, mean=mean), image, layer, count)
    facts = explanation.facts
    shape = " x ".join(str(size) for size in facts["shape"])
    finish(explanation, output, image, json, f"{facts['layer']}: {shape}, {facts['zeros']:.1%} are 0")


app = command(maps)
