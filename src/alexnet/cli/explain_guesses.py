"""`alexnet explain guesses IMAGE...`: pictures with bars, as the paper's figure 4 (left)."""

from pathlib import Path
from typing import Annotated

from alexnet.cli.figure import Figure, finish
from alexnet.cli.options import Classes, Device, Images, Json, LineageName, Mean, Weights, flag
from alexnet.cli.settings import command


def guesses(
    images: Images,
    top: Annotated[int, flag(help="Guesses per picture.", metavar="N")] = 5,
    output: Figure = None,
    weights: Weights = None,
    lineage: LineageName = None,
    classes: Classes = None,
    mean: Mean = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Draw pictures with bars for their likeliest classes below.

    A picture in a folder called as a class belongs to it: its name is written above, and its bar is orange.
    """
    from alexnet.inference import load
    from alexnet.inference.explain_pictures import explain_guesses

    explanation = explain_guesses(load(weights, device, lineage, classes, mean=mean), images, top)
    finish(explanation, output or Path("guesses.png"), None, json)


app = command(guesses)
