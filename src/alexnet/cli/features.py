"""`alexnet features IMAGE... --layer fc7 -o F.npz`: pictures as vectors, for other programs."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from alexnet.cli.options import BatchSize, Device, Images, Json, LineageName, Mean, Weights, flag
from alexnet.cli.output import say, show
from alexnet.cli.screen import Screen
from alexnet.cli.settings import command

if TYPE_CHECKING:
    from alexnet.inference.feature_files import FeatureFile


class Numbers(StrEnum):
    float32 = "float32"
    float16 = "float16"


def features(
    images: Images,
    layer: Annotated[list[str], flag(help="Layer to take, such as pool5 or fc7; may be repeated.", metavar="NAME")] = [  # noqa: B006
        "fc7"
    ],
    output: Annotated[Path, flag("--output", "-o", help=".npz, .npy or .parquet.", metavar="FILE")] = Path(
        "features.npz"
    ),
    weights: Weights = None,
    lineage: LineageName = None,
    mean: Mean = None,
    dtype: Annotated[Numbers, flag(help="How numbers are kept.")] = Numbers.float32,
    batch_size: BatchSize = 64,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Write what layers make of the centre of each picture: one row per picture, in order, with the paths.

    A picture that cannot be read is named, and has no row.
    """
    from alexnet.inference import load
    from alexnet.inference.feature_files import write_features

    classifier = load(weights, device, lineage, mean=mean)
    with Screen() as screen:
        progress = screen.meter("computing features")
        written = write_features(
            classifier, images, output, layer, dtype=dtype.value, batch_size=batch_size, progress=progress
        )
    for each in written.skipped:
        say(f"Skipped {each.image}: {each.reason}")
    show(json, written.to_json(), summary(written))


app = command(features)


def summary(written: "FeatureFile") -> list[Any]:
    """How much was written, and where."""
    layers = ", ".join(f"{name} ({written.pictures:,} x {width:,})" for name, width in written.layers.items())
    return [f"{layers} in {written.dtype}", *map(str, written.files)]
