"""Sec. 4.1: crops and mirrors, and colour noise beside them (over 1 point)."""

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found, differences, gain
from alexnet.reproduce.imagenet import base, gaps, variant
from alexnet.reproduce.trial import Results, Trial, curves, values


def plain(budget: Budget) -> list[Trial]:
    return variant(budget, "as they are", crop="center", flip=False, color="off")


def shifted(budget: Budget) -> list[Trial]:
    return variant(budget, "crops and mirrors", color="off")


def plan(budget: Budget) -> list[Trial]:
    return [*base(budget), *plain(budget), *shifted(budget)]


def find(budget: Budget, results: Results) -> Found:
    return Found(
        (
            Comparison(
                "overfitting gap, without less with crops and mirrors",
                differences(gaps(results, plain(budget)), gaps(results, shifted(budget))),
            ),
            Comparison(
                "top-1 error, without less with crops and mirrors",
                gain(results, plain(budget), shifted(budget), "error"),
            ),
            Comparison(
                "top-1 error, without less with colour noise",
                gain(results, shifted(budget), base(budget), "error"),
                1.0,
            ),
        ),
        "The paper gives no figure for crops and mirrors: without them its network overfits too much to be used. "
        "The gap is the validation error less that on 5,000 training pictures.",
        (
            Line("none", curves(results, plain(budget), "error")),
            Line("crops", curves(results, shifted(budget), "error")),
            Line("+ colour", curves(results, base(budget), "error")),
        ),
        details={
            "training_error": {
                name: values(results, made(budget), "training_error")
                for name, made in (("all", base), ("none", plain), ("cut", shifted))
            }
        },
    )


CLAIM = Claim("augment", "4.1", "crops, mirrors and colour noise lower the error", ("tiny",), plan, find)
