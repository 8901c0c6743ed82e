"""What the commands that draw share: their flags, and how they tell where the figure is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alexnet.cli.options import flag
from alexnet.cli.output import show

if TYPE_CHECKING:
    from alexnet.inference.explanation import Explanation

OneImage = Annotated[str, typer.Argument(metavar="IMAGE", help="A picture.")]
Figure = Annotated[
    Path | None,
    flag("--output", "-o", help=".png, .svg or .pdf.", metavar="FILE", show_default="IMAGE-KIND.png"),
]
Target = Annotated[
    str | None,
    flag("--class", help="Name or number of the class asked about.", metavar="NAME", show_default="the likeliest"),
]


def finish(explanation: "Explanation", output: Path | None, image: str | None, json: bool, *lines: str) -> None:
    """Write the figure, and print its numbers and its path."""
    stem = f"{Path(image).stem}-" if image else ""
    path = explanation.save(output or Path(f"{stem}{explanation.kind}.png"))
    document: dict[str, Any] = {"kind": explanation.kind, "figure": str(path), **explanation.facts}
    show(json, document, [*lines, str(path)])
