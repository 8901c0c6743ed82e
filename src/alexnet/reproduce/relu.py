"""Sec. 3.1, fig. 1: with ReLUs a four-layer network gets to 25 % training error on CIFAR-10 six times faster."""

import math
from collections.abc import Sequence
from statistics import median

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found
from alexnet.reproduce.trial import Results, Trial, curves, trials, values

GOAL = 0.25
RATES = (2e-3, 4e-3, 8e-3)
ACTIVATIONS = ("relu", "tanh", "sigmoid")


def racers(budget: Budget, activation: str, lr: float) -> list[Trial]:
    """No decay, no crops: nothing that regularises."""
    return trials(
        "cifar", f"{activation} {lr:g}", budget.seeds, lineage="cifar-quick", activation=activation, lr=lr,
        epochs=budget.race_epochs, weight_decay=0.0, watched="training_error", goal=GOAL, per_class=budget.per_class,
    )  # fmt: skip


def plan(budget: Budget) -> list[Trial]:
    return [trial for name in ACTIVATIONS for lr in RATES for trial in racers(budget, name, lr)]


def typical(results: Results, wanted: Sequence[Trial]) -> tuple[float, float]:
    """Epochs to the goal, then the training error reached: what a rate is chosen by."""
    return median(arrivals(results, wanted)), median(values(results, wanted, "training_error"))


def arrivals(results: Results, wanted: Sequence[Trial]) -> list[float]:
    """Epochs to the goal; infinity where it was not reached."""
    return values(results, wanted, "epochs_to_goal", missing=math.inf)


def find(budget: Budget, results: Results) -> Found:
    best = {
        name: min(RATES, key=lambda lr, name=name: typical(results, racers(budget, name, lr)))  # type: ignore[misc]
        for name in ACTIVATIONS
    }
    epochs = {name: arrivals(results, racers(budget, name, best[name])) for name in ACTIVATIONS}
    # One that has not arrived when its epochs are over counts as if it just had: the ratio is then a lower bound. With
    # ReLUs that have not arrived there is no ratio, and 0 is shown.
    bounded = {name: [min(each, float(budget.race_epochs)) for each in found] for name, found in epochs.items()}
    late = {name: sum(each > budget.race_epochs for each in found) for name, found in epochs.items()}
    ratios = {
        name: tuple(slow / fast for slow, fast in zip(bounded[name], epochs["relu"], strict=True))
        for name in ACTIVATIONS
    }
    bound = "".join(
        f" {late[name]} of {budget.seeds} with {name} had not arrived after {budget.race_epochs} epochs."
        for name in ACTIVATIONS
        if late[name]
    )
    return Found(
        (Comparison("epochs to 25 % training error, tanh over ReLU", ratios["tanh"], 6.0, "times", 1.0),),
        f"Each at its best of the rates {', '.join(f'{lr:g}' for lr in RATES)}: "
        + ", ".join(f"{name} {best[name]:g}" for name in ACTIVATIONS)
        + ". The four layers are cuda-convnet's, for the paper does not print its own."
        + bound,
        tuple(
            Line(f"{name}, {best[name]:g}", curves(results, racers(budget, name, best[name]), "training_error"))
            for name in ACTIVATIONS
        ),
        y_label="training error",
        details={
            "rates": best,
            "epochs_to_goal": {name: [round(each, 2) for each in found] for name, found in epochs.items()},
            "sigmoid_over_relu_at_least": [round(each, 2) for each in ratios["sigmoid"]],
        },
    )


CLAIM = Claim(
    "relu", "3.1, fig. 1", "ReLUs reach 25 % training error six times faster than tanh", ("cifar",), plan, find
)
