"""Sec. 3.3: response normalisation, on CIFAR-10 (13 to 11 % error) and in the large network (1.4 and 1.2 points)."""

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found, gain
from alexnet.reproduce.imagenet import base, variant
from alexnet.reproduce.trial import Results, Trial, curves, trials, values


def small(budget: Budget, norm: bool) -> list[Trial]:
    """The CIFAR-10 network whose error the paper quotes, on crops and mirrors, the rate falling twice at the end."""
    return trials(
        "cifar", "norms" if norm else "no norms", budget.seeds, lineage="cifar-local", norm=norm, lr=0.001,
        epochs=budget.norm_epochs, drops=(0.75, 0.9), is_augmented=True, per_class=budget.per_class,
    )  # fmt: skip


def without(budget: Budget) -> list[Trial]:
    return variant(budget, "no norms", norm=False)


def plan(budget: Budget) -> list[Trial]:
    return [*small(budget, True), *small(budget, False), *base(budget), *without(budget)]


def find(budget: Budget, results: Results) -> Found:
    return Found(
        (
            Comparison(
                "CIFAR-10 test error, without less with norms, ten views",
                gain(results, small(budget, False), small(budget, True), "ten_view_error"),
                2.0,
            ),
            Comparison(
                "top-1 error, without less with norms", gain(results, without(budget), base(budget), "error"), 1.4
            ),
            Comparison(
                "top-5 error, without less with norms", gain(results, without(budget), base(budget), "top5_error"), 1.2
            ),
        ),
        f"CIFAR-10: {budget.norm_epochs} epochs where its author trained 470. The large network: {budget.epochs}.",
        (
            Line("norms", curves(results, small(budget, True), "error")),
            Line("no norms", curves(results, small(budget, False), "error")),
        ),
        y_label="CIFAR-10 error",
        details={
            "cifar_ten_view_error": {
                "with": values(results, small(budget, True), "ten_view_error"),
                "without": values(results, small(budget, False), "ten_view_error"),
            }
        },
    )


CLAIM = Claim("lrn", "3.3", "response normalisation lowers the error", ("cifar", "tiny"), plan, find)
