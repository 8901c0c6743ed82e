"""Flags that several commands share, each written once."""

from pathlib import Path
from typing import Annotated, Any

import typer


def flag(*names: str, **details: Any) -> Any:
    """A flag; its variable ALEXNET_<FLAG> is said once per page, not on every line."""
    return typer.Option(*names, show_envvar=False, **details)


Json = Annotated[bool, flag("--json", help="Print one JSON document on stdout.", show_default=False)]
Device = Annotated[str, flag(help="auto, cpu, cuda, cuda:N or mps.", metavar="DEVICE")]
Weights = Annotated[
    str | None,
    flag(
        help="A file, a folder, a run, a name of `alexnet weights list`, or hf://owner/name.",
        metavar="WEIGHTS",
        show_default="the packaged network",
    ),
]
LineageName = Annotated[str | None, flag("--lineage", help="Only where the weights cannot tell.", metavar="NAME")]
Classes = Annotated[
    Path | None,
    flag(help="Names of the classes: one per line, or a Python file that lists them (read, not run).", metavar="FILE"),
]
Mean = Annotated[
    str | None,
    flag(
        help="What is subtracted, where the weights do not say: a mean image, or red, green, blue.",
        metavar="FILE|R,G,B",
    ),
]
External = Annotated[Path | None, flag("--external", help="Where an ONNX file may keep its weights.", metavar="FOLDER")]
Views = Annotated[int, flag(help="1: the centre; 10: corners, centre and their mirrors, averaged.", metavar="1|10")]
BatchSize = Annotated[int, flag(help="Views in one pass through the network.", metavar="N")]
Precision = Annotated[
    str,
    flag(
        help="Of the arithmetic; int8, on a CPU, cost the packaged network 0.1 points of top-1.",
        metavar="float32|bfloat16|int8",
    ),
]
Samples = Annotated[
    str | None,
    flag(help="Pictures that int8 learns ranges from.", metavar="PICTURES", show_default="the packaged photos"),
]

Images = Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Files, folders or globs.")]
Data = Annotated[Path, typer.Argument(metavar="DATA", help="Folder per class, CSV, JSONL, tar or prepared set.")]
Output = Annotated[
    Path | None,
    flag("--output", "-o", help="Folder of the run.", metavar="RUN", show_default="runs/, and the name of the data"),
]
Resume = Annotated[bool, flag("--resume", help="Go on with the run in RUN.", show_default=False)]
DryRun = Annotated[bool, flag("--dry-run", help="Say what would be done, and do nothing.", show_default=False)]


def worker_count(text: str) -> int:
    """The number behind `--workers`; 0 for auto, which leaves the choice to the loader."""
    if text == "auto":
        return 0
    if str(text).isdigit():
        return int(text)
    raise typer.BadParameter(f"{text!r} is neither auto nor a number")


Workers = Annotated[
    int, flag(parser=worker_count, help="Threads that read pictures.", metavar="auto|N", show_default="auto")
]
