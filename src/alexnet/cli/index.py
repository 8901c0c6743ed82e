"""`alexnet index FOLDER -o IDX`: features of many pictures, for `alexnet search`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from alexnet.cli.options import BatchSize, Device, Images, Json, LineageName, Mean, Weights, flag
from alexnet.cli.output import say, show
from alexnet.cli.screen import Screen
from alexnet.cli.settings import command

if TYPE_CHECKING:
    from alexnet.inference.index import Index


def index(
    images: Images,
    output: Annotated[Path, flag("--output", "-o", help="Folder of the index.", metavar="IDX")] = Path("alexnet.index"),
    layer: Annotated[str, flag(help="Layer whose features are compared.", metavar="NAME")] = "fc7",
    weights: Weights = None,
    lineage: LineageName = None,
    mean: Mean = None,
    batch_size: BatchSize = 64,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Keep the features of pictures in a folder, to search in. An older index there is replaced."""
    from alexnet.inference import load
    from alexnet.inference.index import write_index

    classifier = load(weights, device, lineage, mean=mean)
    with Screen() as screen:
        progress = screen.meter("computing features")
        made = write_index(classifier, images, output, layer, batch_size=batch_size, progress=progress)
    for each in made.skipped:
        say(f"Skipped {each.image}: {each.reason}")
    show(json, made.to_json(), summary(made))


app = command(index)


def summary(made: "Index") -> list[Any]:
    """What the index holds, and where it is."""
    about = made.about
    return [
        f"{about.pictures:,} pictures, {about.layer} of {about.width:,} numbers, {made.bytes / 1e6:,.1f} MB",
        str(made.folder),
    ]
