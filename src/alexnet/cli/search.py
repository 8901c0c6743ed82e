"""`alexnet search IMAGE... --index IDX`: the pictures that look alike to a network."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from alexnet.cli.options import Device, Images, Json, LineageName, Mean, flag
from alexnet.cli.output import say, show, table
from alexnet.cli.screen import Screen
from alexnet.cli.settings import command

if TYPE_CHECKING:
    from alexnet.inference.search import Match


class Metrics(StrEnum):
    euclidean = "euclidean"
    cosine = "cosine"


def search(
    images: Images,
    index: Annotated[Path, flag(help="A folder that `alexnet index` made.", metavar="IDX")] = Path("alexnet.index"),
    top: Annotated[int, flag(help="Neighbours of each picture.", metavar="N")] = 6,
    metric: Annotated[Metrics, flag(help="What is near.")] = Metrics.euclidean,
    output: Annotated[
        Path | None, flag("--output", "-o", help="Show them: .png, .svg, .pdf or .html.", metavar="FILE")
    ] = None,
    weights: Annotated[
        str | None, flag(help="The network that made the index.", metavar="WEIGHTS", show_default="as the index says")
    ] = None,
    lineage: LineageName = None,
    mean: Mean = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Print the pictures of an index that are nearest to each picture, and draw them with -o.

    A picture that is in the index itself is not among its own neighbours.
    """
    from alexnet.inference import load
    from alexnet.inference.index import open_index
    from alexnet.inference.search import search as look
    from alexnet.inference.search_page import show_matches

    opened = open_index(index)
    classifier = load(weights or opened.weights, device, lineage, mean=mean)
    with Screen(unit="rows") as screen:
        found = look(classifier, opened, images, top, metric.value, screen.meter("searching"))
    for each in found.skipped:
        say(f"Skipped {each.image}: {each.reason}")
    shown = show_matches(output, opened, found.matches, metric.value) if output else None
    document = {
        "index": str(index),
        "layer": opened.about.layer,
        "metric": metric.value,
        "figure": str(shown) if shown else None,
        "matches": [match.to_json() for match in found.matches],
    }
    lines = [part for match in found.matches for part in parts(match)]
    show(json, document, [*lines, *([str(shown)] if shown else [])])


app = command(search)


def parts(match: "Match") -> list[Any]:
    """A picture's name, and below it its neighbours with their distances."""
    rows = [(f"{each.distance:,.4g}", each.path) for each in match.neighbours]
    return [match.image, table(("  distance", "picture"), rows, right=("  distance",))]
