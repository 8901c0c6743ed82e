"""`alexnet demo`: a tour in two minutes, offline, on what the package ships."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from alexnet.cli.options import Json, flag
from alexnet.cli.output import show
from alexnet.cli.results import evaluation_parts, prediction_card
from alexnet.cli.screen import Screen, duration
from alexnet.cli.settings import command

if TYPE_CHECKING:
    from alexnet.cli.tour import Tour

FOLDER = Path("runs/demo")


def demo(
    output: Annotated[Path, flag("--output", "-o", help="Folder for all that it makes.", metavar="DIR")] = FOLDER,
    weights: Annotated[
        str | None, flag(help="Network to fine-tune.", metavar="WEIGHTS", show_default="the packaged one")
    ] = None,
    json: Json = False,
) -> None:
    """Cut a data set from the packaged photos, learn it, evaluate, predict, and write one report.html. All offline."""
    from alexnet.cli.tour import tour
    from alexnet.weights import DEFAULT_WEIGHTS

    started = time.monotonic()
    with Screen() as screen:
        done = tour(output, weights or DEFAULT_WEIGHTS, screen)
        screen.say(f"Done in {duration(time.monotonic() - started)}.")
    show(json, done.to_json(), parts(done))


app = command(demo)


def parts(done: "Tour") -> list[Any]:
    """What the demo found, where its report is, and the commands to go on with."""
    run = done.run.folder
    picture = done.predictions[0].image
    return [
        *(prediction_card(prediction) for prediction in done.predictions),
        "",
        *evaluation_parts(done.evaluation),
        "",
        f"Report: {done.report}",
        "",
        "Next:",
        f"  alexnet predict {picture} --weights {run}",
        f"  alexnet evaluate {run.parent / 'textures'} --weights {run} --views 10",
        f"  alexnet finetune YOUR_FOLDER --weights {run} -o runs/mine",
    ]
