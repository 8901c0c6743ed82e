"""Sec. 5: biases that start at 1 feed the ReLUs positive numbers and speed up the early stages."""

import math
from statistics import mean

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found, differences
from alexnet.reproduce.imagenet import variant
from alexnet.reproduce.trial import Results, Trial, curves
from alexnet.train.watch import NEAR

BIASES = {"1": 1.0, "0": 0.0, "Berkeley's 0.1": 0.1}
RATE = 0.01  # the paper's


def started(budget: Budget, bias: float) -> list[Trial]:
    """The early stages from the lineage's own weights, N(0, 0.01) and the like.

    Those are meant for pixels of 0 to 255. From colours divided by their spread they pass on next to nothing, and
    whatever the biases are, the loss stays at that of guessing.
    """
    return variant(
        budget, f"biases {bias:g}", init="lineage", init_bias=bias, lr=RATE, standardize=False,
        epochs=budget.early_epochs, val_epochs=1,
    )  # fmt: skip


def plan(budget: Budget) -> list[Trial]:
    return [trial for bias in BIASES.values() for trial in started(budget, bias)]


def early_loss(results: Results, trial: Trial) -> float:
    """Training loss of the last early epoch; infinity where it was lost."""
    curve = results[trial.key]["curve"]
    loss = curve[-1]["train_loss"] if curve else None
    return float("inf") if loss is None else float(loss)


def is_dead(results: Results, trial: Trial) -> bool:
    """Whether the loss of the last early epoch is still that of guessing among the classes, or above."""
    loss = early_loss(results, trial)
    return not math.isfinite(loss) or loss >= (1 - NEAR) * math.log(results[trial.key]["classes"])


def find(budget: Budget, results: Results) -> Found:
    losses = {name: [early_loss(results, each) for each in started(budget, bias)] for name, bias in BIASES.items()}
    dead = {name: sum(is_dead(results, each) for each in started(budget, bias)) for name, bias in BIASES.items()}
    return Found(
        (
            Comparison(
                f"training loss of epoch {budget.early_epochs}, biases 0 less 1",
                differences(losses["0"], losses["1"], 1.0),
                unit="nats",
            ),
        ),
        f"Biases of conv2, conv4, conv5, fc6 and fc7. Training loss of epoch {budget.early_epochs}: "
        f"{', '.join(f'{mean(found):.3f} with {name}' for name, found in losses.items())}. Starts that were dead by "
        f"then, at the loss of guessing: {', '.join(f'{count} with {name}' for name, count in dead.items())}, of "
        f"{budget.tiny_seeds} each. Weights as the lineage draws them, pixels of 0 to 255 less their mean; the rate "
        f"rises to the paper's {RATE:g} in a fifth of the steps and then falls along a cosine.",
        tuple(
            Line(f"biases {bias:g}", curves(results, started(budget, bias), "train_loss")) for bias in BIASES.values()
        ),
        y_label="training loss",
        is_percent=False,
        details={"dead_starts": dead, "early_loss": losses},
    )


CLAIM = Claim("init", "5", "biases of 1 speed up the early stages", ("tiny",), plan, find)
