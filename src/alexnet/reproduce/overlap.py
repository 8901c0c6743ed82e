"""Sec. 3.4: pooling windows of 3 at stride 2 against 2 at stride 2 (0.4 and 0.3 points), and which overfits more."""

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found, differences, gain
from alexnet.reproduce.imagenet import base, gaps, variant
from alexnet.reproduce.trial import Results, Trial, curves


def tiled(budget: Budget) -> list[Trial]:
    return variant(budget, "tiled pooling", overlap=False)


def plan(budget: Budget) -> list[Trial]:
    return [*base(budget), *tiled(budget)]


def find(budget: Budget, results: Results) -> Found:
    return Found(
        (
            Comparison("top-1 error, 2x2 less 3x3", gain(results, tiled(budget), base(budget), "error"), 0.4),
            Comparison("top-5 error, 2x2 less 3x3", gain(results, tiled(budget), base(budget), "top5_error"), 0.3),
            Comparison(
                "overfitting gap, 2x2 less 3x3", differences(gaps(results, tiled(budget)), gaps(results, base(budget)))
            ),
        ),
        "Maps have the same sizes in both. The gap is the validation error less that on 5,000 training pictures.",
        (
            Line("3x3, stride 2", curves(results, base(budget), "error")),
            Line("2x2, stride 2", curves(results, tiled(budget), "error")),
        ),
    )


CLAIM = Claim("overlap", "3.4", "overlapping pooling lowers the error and overfits less", ("tiny",), plan, find)
