"""`alexnet explain occlusion IMAGE`: what a class loses where a gray patch lies."""

from typing import Annotated

from alexnet.cli.figure import Figure, OneImage, Target, finish
from alexnet.cli.options import Classes, Device, Json, LineageName, Mean, Weights, flag
from alexnet.cli.screen import Screen
from alexnet.cli.settings import command


def occlusion(
    image: OneImage,
    target: Target = None,
    patch: Annotated[
        int | None, flag(help="Side of the patch in pixels.", metavar="N", show_default="a sixth of the view")
    ] = None,
    stride: Annotated[
        int | None, flag(help="Pixels from patch to patch.", metavar="N", show_default="half a patch")
    ] = None,
    output: Figure = None,
    weights: Weights = None,
    lineage: LineageName = None,
    classes: Classes = None,
    mean: Mean = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Draw how much a class loses when a gray patch covers each place, and the likeliest classes below."""
    from alexnet.inference import load
    from alexnet.inference.explain_pictures import explain_occlusion

    classifier = load(weights, device, lineage, classes, mean=mean)
    with Screen(unit="patches") as screen:
        progress = screen.meter("covering the picture")
        explanation = explain_occlusion(classifier, image, target, patch, stride, progress)
    facts = explanation.facts
    lost = f"loses up to {100 * max(0.0, facts['hottest']['value']):.1f} percentage points"
    finish(explanation, output, image, json, f"{facts['target']['label']} {lost}")


app = command(occlusion)
