"""Sec. 5: weight decay of 5e-4 is not only a regulariser, it lowers the training error too."""

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found, gain
from alexnet.reproduce.imagenet import base, variant
from alexnet.reproduce.trial import Results, Trial, curves


def without(budget: Budget) -> list[Trial]:
    return variant(budget, "no decay", weight_decay=0.0)


def plan(budget: Budget) -> list[Trial]:
    return [*base(budget), *without(budget)]


def find(budget: Budget, results: Results) -> Found:
    return Found(
        (
            Comparison(
                "training error, without less with decay",
                gain(results, without(budget), base(budget), "training_error"),
            ),
            Comparison("top-1 error, without less with decay", gain(results, without(budget), base(budget), "error")),
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
