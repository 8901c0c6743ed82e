"""Sec. 5: biases that start at 1 feed the ReLUs positive numbers and speed up the early stages."""

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found, differences
from alexnet.reproduce.imagenet import variant
from alexnet.reproduce.trial import Results, Trial, curves

EARLY = 0.25  # of the epochs
DEAD = 0.95  # of the first loss


def started(budget: Budget, bias: float) -> list[Trial]:
    """The paper's own initial weights, N(0, 0.01) in its words, at its own rate."""
    return variant(budget, f"biases {bias:g}", init="lineage", init_bias=bias, lr=0.01)


def plan(budget: Budget) -> list[Trial]:
    return [*started(budget, 1.0), *started(budget, 0.0)]


def early_loss(results: Results, trial: Trial) -> float:
    """Training loss when EARLY of the epochs are over; infinity where it was lost."""
    curve = results[trial.key]["curve"]
    place = max(1, round(EARLY * len(curve))) - 1
    loss = curve[place]["train_loss"] if curve else None
    return float("inf") if loss is None else float(loss)


def is_dead(results: Results, trial: Trial) -> bool:
    """Whether nothing has been learnt when EARLY of the epochs are over."""
    steps = results[trial.key]["steps"]
    return not steps or not early_loss(results, trial) < DEAD * float(steps[0]["loss"])


def find(budget: Budget, results: Results) -> Found:
    early = {bias: [early_loss(results, trial) for trial in started(budget, bias)] for bias in (1.0, 0.0)}
    dead = {f"biases {bias:g}": sum(is_dead(results, trial) for trial in started(budget, bias)) for bias in early}
    return Found(
        (
            Comparison(
                "training loss after a quarter of the epochs, biases 0 less 1",
                differences(early[0.0], early[1.0], 1.0),
                unit="nats",
            ),
        ),
        f"Biases of conv2, conv4, conv5, fc6 and fc7. Dead starts: {dead['biases 1']} of {budget.tiny_seeds} with 1, "
        f"{dead['biases 0']} of {budget.tiny_seeds} with 0. Berkeley used 0.1, for 1 gave them a flat loss.",
        tuple(Line(f"biases {bias:g}", curves(results, started(budget, bias), "train_loss")) for bias in (1.0, 0.0)),
        y_label="training loss",
        is_percent=False,
        details={"dead_starts": dead, "early_loss": {f"biases {bias:g}": found for bias, found in early.items()}},
    )


CLAIM = Claim("init", "5", "biases of 1 speed up the early stages", ("tiny",), plan, find)
