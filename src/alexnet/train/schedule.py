"""How the learning rate changes, as pure functions and one small state."""

import math
from dataclasses import dataclass, replace

from alexnet.train.recipe import Recipe

DROP = 0.1
# A tenth of a point: less than the noise of a validation set of thousands of pictures, and one picture of a small one.
LEAST_GAIN = 0.001


@dataclass(frozen=True)
class Plateau:
    """What the rule "divide the rate by 10 when the validation error stops improving" has to remember.

    Attributes:
        best: lowest error at the present rate or before.
        waited: epochs since then.
        drops: how often the rate was divided.
    """

    best: float = math.inf
    waited: int = 0
    drops: int = 0

    def after(self, error: float, patience: int, lr_drops: int) -> "Plateau":
        """The state after another epoch with this validation error.

        Source: Krizhevsky et al. 2012, sec. 5, done by hand there: three times in 90 epochs.
        """
        if error <= self.best - LEAST_GAIN:
            return replace(self, best=error, waited=0)
        if self.waited + 1 >= patience and self.drops < lr_drops:
            return replace(self, waited=0, drops=self.drops + 1)
        return replace(self, waited=self.waited + 1)


def rate(recipe: Recipe, step: int, steps_per_epoch: int, epochs: int, plateau: Plateau) -> float:
    """The learning rate of a step.

    Args:
        recipe: gives the schedule, the peak and the warm-up.
        step: steps done before this one, counted from the start of the schedule.
        steps_per_epoch: how many steps the training pictures make.
        epochs: length of the schedule.
        plateau: only the schedule of that name looks at it.
    """
    steps = epochs * steps_per_epoch
    warmup = min(round(recipe.warmup_epochs * steps_per_epoch), steps // 5)  # a short run still gets to its peak
    if step < warmup:
        return recipe.lr * (step + 1) / (warmup + 1)
    match recipe.schedule:
        case "cosine":
            return recipe.lr * cosine((step - warmup) / max(1, steps - warmup))
        case "steps":
            return recipe.lr * DROP ** (step * (recipe.lr_drops + 1) // max(1, steps))
        case "plateau":
            return recipe.lr * DROP**plateau.drops
        case "constant":
            return recipe.lr


def cosine(done: float) -> float:
    """Half a wave from 1 to 0 while `done` goes from 0 to 1."""
    return 0.5 * (1 + math.cos(math.pi * done))
