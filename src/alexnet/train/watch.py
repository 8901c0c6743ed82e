"""Two ways in which training goes wrong quietly: a loss that stays at chance, and one that is no number."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from alexnet.errors import RunError
from alexnet.lineages.spec import Input
from alexnet.train.recipe import Recipe

NEAR = 0.02
WINDOW = 50
FEWEST_STEPS, MOST_STEPS, EPOCHS = 100, 2000, 10


@dataclass(frozen=True)
class Watch:
    """How long the loss has been that of guessing, ln K.

    Attributes:
        stuck_steps: steps in a row whose mean losses, over WINDOW steps each, were near ln K.
        is_said: whether the user was told.
        loss: summed over the pictures of the window that is not full yet.
        pictures: in that window.
        steps: in that window.
    """

    stuck_steps: int = 0
    is_said: bool = False
    loss: float = 0.0
    pictures: int = 0
    steps: int = 0

    def after(self, loss: float, pictures: int, steps: int, num_classes: int) -> "Watch":
        """The state after `steps` more steps with this summed loss.

        Any network that answers "all classes alike" has the loss ln K, with label smoothing or without.
        """
        loss, pictures, steps = self.loss + loss, self.pictures + pictures, self.steps + steps
        if steps < WINDOW:
            return replace(self, loss=loss, pictures=pictures, steps=steps)
        is_near = abs(loss / pictures / math.log(num_classes) - 1) <= NEAR
        return Watch(self.stuck_steps + steps if is_near else 0, self.is_said)

    def is_stuck(self, steps_per_epoch: int) -> bool:
        """Whether it is time to say so: ten epochs, but not before 100 steps and not after 2000."""
        return self.stuck_steps >= min(MOST_STEPS, max(FEWEST_STEPS, EPOCHS * steps_per_epoch))


def stuck_advice(watch: Watch, num_classes: int, recipe: Recipe, expected: Input) -> str:
    """What to tell a user whose network guesses.

    Args:
        expected: what the lineage's own weights are meant for.

    Source: BVLC/caffe issues 59, 401, 2085, 3243; Berkeley's own network has biases of 0.1 for this reason. Weights of
    the table on standardized colours: docs/log.md, the claim `init`.
    """
    is_faint = recipe.init == "lineage" and recipe.standardize and expected.is_unscaled
    faint = (
        "Weights drawn as the lineage's table says are meant for pixels of 0 to 255, and hardly move on colours "
        "divided by their spread: give `--no-standardize`, or another `--init`. "
    )
    return (
        f"For {watch.stuck_steps} steps the loss has stayed at ln {num_classes} = {math.log(num_classes):.3f}, "
        f"which is guessing. {faint if is_faint else ''}Initial biases of 1 (lineages paper, chm, caffenet) can keep a "
        "network there for thousands of steps, or for ever. Should it not fall soon: start again with `--recipe "
        f"modern`, with `--lineage bvlc` (biases of 0.1), or with another rate than {recipe.lr:g}; and look whether "
        "the labels fit the pictures (`alexnet data inspect`)."
    )


def require_finite(loss: float, step: int, lr: float, checkpoint: Path | None) -> None:
    """Stop a run whose weights are lost.

    Raises:
        RunError: the loss is infinite or no number; names the last good checkpoint.
    """
    if math.isfinite(loss):
        return
    last = f"The last good checkpoint is {checkpoint}." if checkpoint else "There is no checkpoint yet."
    raise RunError(
        f"The loss is {loss} by step {step}: the weights have grown without bound. {last} "
        f"Start again with a lower rate (it was {lr:g}; try `--lr {lr / 10:g}`) or a longer `--warmup-epochs`."
    )
