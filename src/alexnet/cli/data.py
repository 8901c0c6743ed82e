"""`alexnet data inspect FOLDER`: what there is to know about pictures before training on them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alexnet.cli.options import Json, Workers, flag
from alexnet.cli.output import show, table
from alexnet.cli.screen import Screen
from alexnet.cli.settings import command

if TYPE_CHECKING:
    from alexnet.data.inspect import Duplicates, Inspection, Spread

NAMES_SHOWN = 10


def inspect(
    data: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder per class, CSV or JSONL.")],
    val_fraction: Annotated[float, flag(help="Share for validation of the proposed split.", metavar="X")] = 0.1,
    seed: Annotated[int, flag(help="Of the proposed split.", metavar="N")] = 0,
    workers: Workers = 0,
    json: Json = False,
) -> None:
    """Look at every picture: classes, sizes, unreadable, duplicate and turned ones, and the split there would be."""
    from alexnet.data.inspect import inspect as look

    with Screen() as screen:
        found = look(data, val_fraction, seed, workers or None, screen.meter("inspecting"))
    show(json, found.to_json(), summary(found))


app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False)
app.add_typer(command(inspect))


@app.callback()
def data() -> None:
    """Look into a data set before training on it."""


def summary(found: "Inspection") -> list[Any]:
    """The findings in the order in which they matter."""
    classes = ((each.name, f"{each.pictures:,}", f"{each.train:,}", f"{each.val:,}") for each in found.classes)
    header = ("class", "pictures", "train", "val")
    return [
        f"{found.source}: {found.pictures:,} pictures in {len(found.classes)} classes",
        "",
        table(header, classes, right=header[1:]),
        "",
        f"width {spread(found.width)}, height {spread(found.height)} pixels",
        f"formats: {counts(found.formats)}; modes: {counts(found.modes)}; turned by EXIF: {found.turned}",
        f"files passed over: {found.ignored}" + (f"; folders: {', '.join(found.unused)}" if found.unused else ""),
        *section("unreadable", [f"{each.name}: {each.reason}" for each in found.unreadable]),
        *section("sets of equal files", [duplicates(each) for each in found.duplicates]),
        *section("problems", found.problems),
    ]


def spread(spread: "Spread | None") -> str:
    return f"{spread.min} to {spread.max} (median {spread.median:g})" if spread else "unknown"


def counts(of: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in of.items()) or "none"


def section(title: str, lines: "list[str] | tuple[str, ...]") -> list[str]:
    """A heading with its number of lines, and the first of them; nothing where there are none."""
    if not lines:
        return []
    more = [f"  and {len(lines) - NAMES_SHOWN:,} more; --json lists all"] if len(lines) > NAMES_SHOWN else []
    return ["", f"{title}: {len(lines):,}", *(f"  {line}" for line in lines[:NAMES_SHOWN]), *more]


def duplicates(group: "Duplicates") -> str:
    remarks = [", of different classes"] if group.is_conflict else []
    remarks += [", in training and validation"] if group.is_leak else []
    return " = ".join(group.names) + "".join(remarks)
