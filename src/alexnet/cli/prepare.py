"""`alexnet prepare SRC DST`: pictures to shards that training reads fast."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from alexnet.cli.options import DryRun, Json, Workers, flag
from alexnet.cli.output import say, show
from alexnet.cli.screen import Screen
from alexnet.cli.settings import command

if TYPE_CHECKING:
    from alexnet.data.plan import Format
    from alexnet.data.prepare import PrepareReport
    from alexnet.lineages.spec import Fit


def prepare(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Folder per class, CSV or JSONL.")],
    destination: Annotated[Path, typer.Argument(metavar="DST", help="Folder for the prepared set.")],
    format: Annotated[str, flag(help="JPEG in tar files, or raw pixels to map.", metavar="jpeg|raw")] = "jpeg",
    size: Annotated[int, flag(help="Side of the squares.", metavar="PIXELS")] = 256,
    fit: Annotated[
        str, flag(help="short: centre of the short side; warp: all, squeezed.", metavar="short|warp")
    ] = "short",
    val_fraction: Annotated[
        float, flag(help="Share of each class for validation, where SRC has no split; 0: none.", metavar="X")
    ] = 0.1,
    seed: Annotated[int, flag(help="Of the split and the order.", metavar="N")] = 0,
    workers: Workers = 0,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Cut pictures to squares of one size and write shards, mean image and colour statistics.

    Stopped anywhere, the same command goes on; done twice, it makes the same bytes.
    """
    from alexnet.data.prepare import prepare as make

    with Screen() as screen:
        report = make(
            source,
            destination,
            format=cast("Format", format),  # the plan refuses other words
            size=size,
            fit=cast("Fit", fit),
            workers=workers or None,
            val_fraction=val_fraction,
            seed=seed,
            progress=screen.meter("preparing"),
            dry_run=dry_run,
        )
    show(json, report.to_json() | {"dry_run": dry_run}, summary(report, dry_run))
    if report.refused:
        say(f"{report.refused} pictures were refused; {destination / 'report.jsonl'} says which and why.")


app = command(prepare)


def summary(report: "PrepareReport", dry_run: bool) -> list[str]:
    """What was made, in a few lines."""
    counts = ", ".join(f"{sum(count):,} for {split}" for split, count in report.counts.items())
    made = f"{report.made} of {report.shards} shards {'to make' if dry_run else 'made now'}"
    lines = [f"{report.destination}: {len(report.classes)} classes, {counts}; {made}."]
    if not dry_run:
        lines += [
            f"{report.refused} pictures refused, {report.repaired} repaired.",
            f"Next: alexnet train {report.destination} -o RUN",
        ]
    return lines
