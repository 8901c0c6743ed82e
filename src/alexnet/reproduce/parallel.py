"""Sec. 3.2: one network in two columns, on two processes: the same loss, step by step."""

from typing import Any

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found
from alexnet.reproduce.trial import Results, Trial, curves, trials, values

SETTINGS: dict[str, Any] = {"lineage": "tiny", "epochs": 3, "batch_size": 16, "val_epochs": 1, "log_steps": 1}


def columns(budget: Budget, processes: int) -> list[Trial]:
    return trials("tiny", f"{processes} processes", budget.tiny_seeds, processes=processes, **SETTINGS)


def plan(budget: Budget) -> list[Trial]:
    return [*columns(budget, 1), *columns(budget, 2)]


def find(budget: Budget, results: Results) -> Found:
    pairs = zip(columns(budget, 1), columns(budget, 2), strict=True)
    ratios = [
        other["loss"] / one["loss"]
        for alone, shared in pairs
        for one, other in zip(results[alone.key]["steps"], results[shared.key]["steps"], strict=True)
    ]
    furthest = max(ratios, key=lambda ratio: abs(ratio - 1))
    paces = {count: values(results, columns(budget, count), "ms_per_step") for count in (1, 2)}
    return Found(
        (
            Comparison(
                "loss of a step, two processes over one: the furthest from 1", (furthest,), 1.0, "times", tolerance=1e-4
            ),
        ),
        f"The lineage `tiny` in two processes of this host's processors, {len(ratios)} steps with dropout, crops, "
        f"colours. A step takes {paces[1][0]:.1f} ms in one process of at most four threads, {paces[2][0]:.1f} ms "
        "in two of half as many; GPUs: docs/scale.md.",
        (
            Line("one process", curves(results, columns(budget, 1), "train_loss")),
            Line("two processes", curves(results, columns(budget, 2), "train_loss")),
        ),
        y_label="training loss",
        is_percent=False,
        details={"ms_per_step": paces, "furthest_ratio": furthest},
    )


CLAIM = Claim("parallel", "3.2", "two columns that talk at some layers are one network", ("tiny",), plan, find)
