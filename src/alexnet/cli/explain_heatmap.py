"""`alexnet explain heatmap IMAGE`: where the evidence for a class lies."""

from typing import Annotated

from alexnet.cli.figure import Figure, OneImage, Target, finish
from alexnet.cli.options import Classes, Device, Json, LineageName, Mean, Weights, flag
from alexnet.cli.settings import command


def heatmap(
    image: OneImage,
    target: Target = None,
    layer: Annotated[
        str | None, flag(help="A layer that has maps.", metavar="NAME", show_default="the last convolution")
    ] = None,
    output: Figure = None,
    weights: Weights = None,
    lineage: LineageName = None,
    classes: Classes = None,
    mean: Mean = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Draw what speaks for a class as heat over the picture, by Grad-CAM, and the likeliest classes below."""
    from alexnet.inference import load
    from alexnet.inference.explain_pictures import explain_heatmap

    explanation = explain_heatmap(load(weights, device, lineage, classes, mean=mean), image, target, layer)
    facts = explanation.facts
    finish(explanation, output, image, json, f"{facts['target']['label']}, by {facts['layer']}")


app = command(heatmap)
