"""Sec. 4.2: dropout against overfitting, and about twice as many iterations to converge."""

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found, differences, gain
from alexnet.reproduce.imagenet import base, gaps, variant
from alexnet.reproduce.trial import Results, Trial, curves, values


def without(budget: Budget) -> list[Trial]:
    return variant(budget, "no dropout", dropout=False)


def plan(budget: Budget) -> list[Trial]:
    return [*base(budget), *without(budget)]


def converged(results: Results, trial: Trial) -> float:
    """The first epoch with a training loss less than a tenth of the way above its lowest."""
    points = [point for point in results[trial.key]["curve"] if point["train_loss"] is not None]
    if not points:
        return float("nan")
    losses = [float(point["train_loss"]) for point in points]
    bound = min(losses) + 0.1 * (losses[0] - min(losses))
    return float(next(point["epoch"] for point, loss in zip(points, losses, strict=True) if loss <= bound))


def find(budget: Budget, results: Results) -> Found:
    slower = tuple(
        converged(results, one) / converged(results, other)
        for one, other in zip(base(budget), without(budget), strict=True)
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
        f"All runs have {budget.epochs} epochs and a rate that falls with them, so that a network which would converge "
        "later cannot: the third figure is bounded by the schedule.",
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
