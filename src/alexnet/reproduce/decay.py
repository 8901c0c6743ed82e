"""Sec. 5: weight decay of 5e-4 is not only a regulariser, it lowers the training error too."""

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found, differences
from alexnet.reproduce.imagenet import base, variant
from alexnet.reproduce.trial import Results, Trial, curves, values


def without(budget: Budget) -> list[Trial]:
    return variant(budget, "no decay", weight_decay=0.0)


def plan(budget: Budget) -> list[Trial]:
    return [*base(budget), *without(budget)]


def find(budget: Budget, results: Results) -> Found:
    gains = {
        name: differences(values(results, without(budget), name), values(results, base(budget), name))
        for name in ("training_error", "error")
    }
    return Found(
        (
            Comparison("training error, without less with decay", gains["training_error"]),
            Comparison("top-1 error, without less with decay", gains["error"]),
        ),
        "Training error: of the centre view of 5,000 training pictures, at the end. The paper gives no figures.",
        (
            Line("with 5e-4", curves(results, base(budget), "train_loss")),
            Line("without", curves(results, without(budget), "train_loss")),
        ),
        y_label="training loss",
        is_percent=False,
    )


CLAIM = Claim("decay", "5", "weight decay lowers the training error too", ("tiny",), plan, find)
