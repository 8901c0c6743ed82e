"""One training step: on the plain network with an optimizer, or on the fused one.

B pictures, K classes. Everything random in it is a function of (seed, step), so no random state is ever saved.
"""

from collections.abc import Mapping
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer

from alexnet.fast import FastNet
from alexnet.parallel.scheme import Scheme
from alexnet.train.fused import FusedStep
from alexnet.train.initial import mixed
from alexnet.train.optimizer import make_optimizer, restore_velocities, set_lr, velocities
from alexnet.train.recipe import Recipe
from alexnet.train.stage import Examples


class Step(Protocol):
    """Moves the weights along the gradient of one batch."""

    def __call__(self, examples: Examples, lr: float, seed: int) -> Tensor:
        """Return the sum of the batch's losses, (), detached; where several processes share the batch, a part of it.

        The gradient is the sum over the batch divided by a full batch's size: in a last batch of fewer pictures each
        still weighs as much as any other.

        Args:
            examples: what this process has of the batch.
            lr: rate of a weight whose factor is 1.
            seed: the dropout masks are a function of it.
        """
        ...

    def velocities(self) -> dict[str, Tensor]:
        """The velocity of each parameter that has one, by name: all that a checkpoint needs beside the weights.

        A collective: every process of a team calls it.
        """
        ...


def make_step(
    scheme: Scheme, deep: frozenset[str], recipe: Recipe, batch_size: int, saved: Mapping[str, Tensor]
) -> Step:
    """The step for a scheme's module: fused where that is.

    Args:
        scheme: what is trained, and how the work is shared out.
        deep: names among them that move at `deep_lr` times the rate.
        recipe: gives the update and its constants.
        batch_size: what the summed loss is divided by.
        saved: velocities to go on with.
    """
    if isinstance(scheme.module, FastNet):
        return FusedStep(scheme, deep, recipe, batch_size, saved)
    return PlainStep(scheme, deep, recipe, batch_size, saved)


class PlainStep:
    """Forward, backward and an optimizer of torch's; see `make_step`."""

    def __init__(
        self, scheme: Scheme, deep: frozenset[str], recipe: Recipe, batch_size: int, saved: Mapping[str, Tensor]
    ) -> None:
        self.scheme, self.recipe, self.batch_size = scheme, recipe, batch_size
        self.optimizer = make_optimizer(scheme.parameters, recipe, deep)
        restore_velocities(self.optimizer, scheme.parameters, scheme.own(saved))

    def __call__(self, examples: Examples, lr: float, seed: int) -> Tensor:
        set_lr(self.optimizer, lr)
        self.scheme.begin(examples.slots, examples.slot_count, seed)
        return train_step(
            self.scheme,
            self.optimizer,
            examples.inputs,
            examples.labels,
            batch_size=self.batch_size,
            label_smoothing=self.recipe.label_smoothing,
            clip=self.recipe.clip,
        )

    def velocities(self) -> dict[str, Tensor]:
        return self.scheme.whole(velocities(self.optimizer, self.scheme.parameters))


def train_step(
    scheme: Scheme,
    optimizer: Optimizer,
    inputs: Tensor,
    labels: Tensor,
    *,
    batch_size: int,
    label_smoothing: float,
    clip: float,
) -> Tensor:
    """Move the weights along the gradient of one batch, and return the sum of its losses, (), detached."""

    def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction="sum")

    def move() -> None:
        if clip:
            scheme.clip(clip)
        optimizer.step()

    scheme.attach(move)
    loss = scheme.gradients(inputs, labels, loss_of, batch_size)
    move()
    scheme.spread()
    return loss


def step_seed(seed: int, step: int) -> int:
    """Make what is random in a step a function of (seed, step)."""
    return mixed(seed, step)
