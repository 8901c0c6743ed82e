"""Sec. 4.2: dropout against overfitting, and about twice as many iterations to converge."""

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found, differences, gain
from alexnet.reproduce.imagenet import base, gaps, variant
from alexnet.reproduce.trial import Results, Trial, curves, values, when_reached


def without(budget: Budget) -> list[Trial]:
    return variant(budget, "no dropout", dropout=False)


def plan(budget: Budget) -> list[Trial]:
    return [*base(budget), *without(budget)]


def converged(results: Results, trial: Trial, plain: Trial) -> float:
    """The epoch with nine tenths of what the plain network learns in all: of its validation error's fall from 100 %."""
    lowest = min((point["error"] for point in results[plain.key]["curve"]), default=1.0)
    points = [(0.0, 1.0), *((float(point["epoch"]), float(point["error"])) for point in results[trial.key]["curve"])]
    epoch = when_reached(points, 0.1 + 0.9 * lowest)
    return float("nan") if epoch is None else epoch


def find(budget: Budget, results: Results) -> Found:
    slower = tuple(
        converged(results, one, plain) / converged(results, plain, plain)
        for one, plain in zip(base(budget), without(budget), strict=True)
    )
    return Found(
        (
            Comparison(
                "overfitting gap, without less with dropout",
                differences(gaps(results, without(budget)), gaps(results, base(budget))),
            ),
            Comparison("top-1 error, without less with dropout", gain(results, without(budget), base(budget), "error")),
            Comparison("epochs to converge, with over without", slower, 2.0, "times", 1.0),
        ),
        "Converged: at the validation error that the network without dropout has with nine tenths of all that it "
        f"learns. The rate falls over {budget.epochs} epochs for both, so that nobody can take much longer.",
        (
            Line("dropout", curves(results, base(budget), "error")),
            Line("no dropout", curves(results, without(budget), "error")),
        ),
        details={
            "training_error": {
                "with": values(results, base(budget), "training_error"),
                "without": values(results, without(budget), "training_error"),
            }
        },
    )


CLAIM = Claim("dropout", "4.2", "dropout prevents overfitting and doubles the iterations", ("tiny",), plan, find)
