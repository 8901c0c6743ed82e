"""All claims, and running them."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from alexnet.errors import UsageError
from alexnet.reproduce import (
    arithmetic,
    augment,
    decay,
    depth,
    dropout,
    init,
    lrn,
    overlap,
    parallel,
    relu,
    retrieval,
    towers,
    views,
)
from alexnet.reproduce.budget import FULL, Budget
from alexnet.reproduce.claim import Claim
from alexnet.reproduce.lanes import run_trials
from alexnet.reproduce.report import write_result
from alexnet.reproduce.sample import write_sample
from alexnet.reproduce.trial import Data, Trial

CLAIMS: Mapping[str, Claim] = {
    each.CLAIM.name: each.CLAIM
    for each in (
        relu, lrn, overlap, towers, augment, dropout, views, depth, decay, init, retrieval, parallel, arithmetic,
    )
}  # fmt: skip
SETS: Mapping[Data, str] = {"cifar": "CIFAR-10", "tiny": "Tiny-ImageNet-200"}
TRIALS = "trials"


def claim(name: str) -> Claim:
    """The claim of this name.

    Raises:
        UsageError: there is none.
    """
    if name in CLAIMS:
        return CLAIMS[name]
    near = get_close_matches(name, CLAIMS, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Choose among {', '.join(CLAIMS)}."
    raise UsageError(f"the paper has no claim {name!r} here. {hint}")


def reproduce(
    names: Sequence[str],
    folder: str | Path,
    *,
    data: Mapping[Data, str | Path],
    budget: Budget = FULL,
    device: str = "cpu",
    say: Callable[[str], None] = lambda message: None,
) -> list[dict[str, Any]]:
    """Run claims, write result.json and plots of each into a folder of its name, and return the documents.

    Args:
        names: of claims.
        folder: of results; trainings that lie there from before are not made again.
        data: the pictures of each set that the claims name.
        budget: how much it may cost.
        device: "cuda" for every GPU that is visible, or another for this process.
        say: is told how it goes.

    Raises:
        UsageError: no such claim, or a set that it needs was not given.
        DataError: the pictures cannot be read.
        RunError: a training failed.
    """
    chosen, home = [claim(name) for name in names], Path(folder)
    sources = _sources(chosen, data, budget, home)
    plans: dict[str, Sequence[Trial]] = {each.name: each.plan(budget) for each in chosen}
    every = [trial for plan in plans.values() for trial in plan]
    results = run_trials(every, sources, home / TRIALS / budget.name, device, say)
    return [write_result(each, budget, plans[each.name], results, home / each.name) for each in chosen]


def _sources(chosen: Sequence[Claim], data: Mapping[Data, str | Path], budget: Budget, home: Path) -> dict[Data, Path]:
    sources: dict[Data, Path] = {}
    for kind in SETS:
        wanting = [each.name for each in chosen if kind in each.data]
        if not wanting:
            continue
        if kind not in data:
            raise UsageError(
                f"{', '.join(wanting)}: trained on {SETS[kind]}. Give its folder by --{kind}: one with train/ and "
                "val/ or test/, a folder per class in each."
            )
        sources[kind] = Path(data[kind]).expanduser().resolve()
        if kind == "tiny" and budget.per_class:
            home.mkdir(parents=True, exist_ok=True)
            sources[kind] = write_sample(sources[kind], home / "sample", budget.classes, budget.per_class)
    return sources
