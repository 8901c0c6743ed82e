"""The trainings of the ImageNet claims: one recipe, one switch at a time.

Pictures are shifted crops, mirrored, with colour noise; Nesterov momentum, cosine, He's initial weights, no smoothing
of labels: the paper's regularisation at a schedule that a GPU finishes in half a minute.
"""

from collections.abc import Sequence
from typing import Any

from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import differences
from alexnet.reproduce.trial import Results, Trial, trials, values

BASE: dict[str, Any] = {
    "lr": 0.02, "init": "he", "crop": "random", "label_smoothing": 0.0, "val_epochs": 2, "checkpoint_minutes": 0.0,
    "log_steps": 50,
}  # fmt: skip


def variant(budget: Budget, name: str, is_examined: bool = False, **changed: Any) -> list[Trial]:
    """Trainings with some settings of `alexnet train` changed."""
    settings = {**BASE, "lineage": budget.lineage, "epochs": budget.epochs, "batch_size": budget.batch_size, **changed}
    return trials("tiny", name, budget.tiny_seeds, is_examined, **settings)


def base(budget: Budget) -> list[Trial]:
    """Trainings with everything in place."""
    return variant(budget, "base", is_examined=True)


def gaps(results: Results, wanted: Sequence[Trial]) -> tuple[float, ...]:
    """How much larger the error is on pictures that were not learnt from, as a fraction."""
    return differences(values(results, wanted, "error"), values(results, wanted, "training_error"), 1.0)
