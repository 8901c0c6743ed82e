"""`alexnet reproduce CLAIM`: a claim of the paper, run."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alexnet.cli.options import Device, Json, flag
from alexnet.cli.output import say, show, table
from alexnet.cli.settings import command
from alexnet.errors import UsageError

if TYPE_CHECKING:
    from alexnet.reproduce.trial import Data


def reproduce(
    claims: Annotated[list[str] | None, typer.Argument(metavar="CLAIM...", help="Names that --list shows.")] = None,
    all_claims: Annotated[bool, flag("--all", help="All claims.", show_default=False)] = False,
    list_claims: Annotated[
        bool, flag("--list", help="Show the claims and what they cost.", show_default=False)
    ] = False,
    budget: Annotated[
        str, flag(help="full, or smoke: minutes on a processor, which shows nothing but that it runs.")
    ] = "full",
    cifar: Annotated[
        Path | None, flag(help="Pictures of CIFAR-10: train/ and test/, a folder per class.", metavar="DATA")
    ] = None,
    tiny: Annotated[
        Path | None, flag(help="Pictures of Tiny-ImageNet-200: train/ and val/, or a prepared set.", metavar="DATA")
    ] = None,
    output: Annotated[Path, flag("--output", "-o", help="Folder of the results.", metavar="DIR")] = Path("reproduced"),
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Train what a claim of the paper compares, and write figures, a plot and a verdict.

    Trainings are kept in DIR/trials, so that a run which was stopped goes on, and claims share what they
    have in common. All visible GPUs are used, a training on each.
    """
    from alexnet.reproduce import BUDGETS, CLAIMS
    from alexnet.reproduce import reproduce as run

    if budget not in BUDGETS:
        raise UsageError(f"--budget is {budget!r}; choose one of {', '.join(BUDGETS)}.")
    if list_claims:
        show_claims(json, budget)
        return
    names = list(CLAIMS) if all_claims else list(claims or ())
    if not names:
        raise UsageError("name a claim of `alexnet reproduce --list`, or give --all.")
    given: dict[Data, Path | None] = {"cifar": cifar, "tiny": tiny}
    data = {kind: path for kind, path in given.items() if path is not None}
    place = device_for(device, is_long=not BUDGETS[budget].is_smoke and bool(data))
    documents = run(names, output, data=data, budget=BUDGETS[budget], device=place, say=say)
    show(json, documents, parts(documents, output))


app = command(reproduce)


def show_claims(json: bool, budget: str) -> None:
    """The answer to --list."""
    from alexnet.reproduce import CLAIMS

    rows = [claim_row(name, budget) for name in CLAIMS]
    shown = [tuple(map(str, row.values())) for row in rows]
    show(json, rows, [table(("claim", "section", "trainings", "data", "says"), shown, right=("trainings",))])


def device_for(name: str, is_long: bool) -> str:
    """The kind of device to train on.

    Raises:
        UsageError: it is not here, or the full budget would begin on a processor that nobody has named.
    """
    from alexnet.inference.device import resolve_device

    place = resolve_device(name).type
    if place == "cpu" and is_long:
        slow = "the full budget takes days on a processor"
        if name == "auto":
            raise UsageError(
                f"torch sees no GPU here, and {slow}. --budget smoke shows in minutes that it runs; "
                "--device cpu begins all the same."
            )
        say(f"{slow[0].upper()}{slow[1:]}. --budget smoke shows in minutes that it runs.")
    return place


def claim_row(name: str, budget: str) -> dict[str, Any]:
    """A claim as --list shows it."""
    from alexnet.reproduce import BUDGETS, CLAIMS

    claim = CLAIMS[name]
    return {
        "claim": name, "section": claim.section, "trainings": len(claim.plan(BUDGETS[budget])),
        "data": ", ".join(claim.data) or "none", "says": claim.says,
    }  # fmt: skip


def parts(documents: list[dict[str, Any]], folder: Path) -> Iterable[Any]:
    """A line for each number, the verdict of each claim, and where the files are."""
    for each in documents:
        yield f"{each['claim']} (sec. {each['section']}): {each['says']}: {each['verdict']}"
        yield table(
            ("", "paper", "ours", "spread", "seeds", ""),
            [number_row(row) for row in each["comparisons"]],
            right=("paper", "ours", "spread", "seeds"),
        )
        yield each["reason"]
        yield from (f"Lost: {said}" for said in each["lost"])
        yield str(folder / each["claim"])


def number_row(row: dict[str, Any]) -> tuple[str, ...]:
    """The cells of one number."""
    paper, ours, spread = (
        "" if row[name] is None else f"{row[name]:{digits}}"
        for name, digits in (("paper", "g"), ("mean", ".4g"), ("spread", ".2g"))
    )
    return f"{row['what']}, {row['unit']}", paper, ours, spread, str(row["seeds"]), row["verdict"]
