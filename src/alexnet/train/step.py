"""One training step: on the plain network with an optimizer, or on the fused one.

B pictures, K classes. Everything random in it is a function of (seed, step), so no random state is ever saved.
"""

from collections.abc import Mapping
from typing import Protocol

import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from alexnet.fast import FastNet
from alexnet.model import set_dropout_generator
from alexnet.train.fused import FusedStep
from alexnet.train.initial import mixed
from alexnet.train.optimizer import make_optimizer, restore_velocities, set_lr, velocities
from alexnet.train.recipe import Recipe


class Step(Protocol):
    """Moves the weights along the gradient of one batch."""

    def __call__(self, inputs: Tensor, labels: Tensor, lr: float, seed: int) -> Tensor:
        """Return the sum of the batch's losses, (), detached.

        The gradient is the sum over the batch divided by a full batch's size: in a last batch of fewer pictures each
        still weighs as much as any other.

        Args:
            inputs: (B, ...), what the module takes.
            labels: (B,) int64, or (B, K) shares of the classes.
            lr: rate of a weight whose factor is 1.
            seed: the dropout masks are a function of it.
        """
        ...

    def velocities(self) -> dict[str, Tensor]:
        """The velocity of each parameter that has one, by name: all that a checkpoint needs beside the weights."""
        ...


def make_step(
    module: nn.Module,
    parameters: Mapping[str, nn.Parameter],
    deep: frozenset[str],
    recipe: Recipe,
    batch_size: int,
    saved: Mapping[str, Tensor],
) -> Step:
    """The step for a module in training mode: fused where the module is.

    Args:
        module: from inputs to logits (B, K).
        parameters: what is trained, by name.
        deep: names among them that move at `deep_lr` times the rate.
        recipe: gives the update and its constants.
        batch_size: what the summed loss is divided by.
        saved: velocities to go on with.
    """
    if isinstance(module, FastNet):
        return FusedStep(module, parameters, deep, recipe, batch_size, saved)
    return PlainStep(module, parameters, deep, recipe, batch_size, saved)


class PlainStep:
    """Forward, backward and an optimizer of torch's; see `make_step`."""

    def __init__(
        self,
        module: nn.Module,
        parameters: Mapping[str, nn.Parameter],
        deep: frozenset[str],
        recipe: Recipe,
        batch_size: int,
        saved: Mapping[str, Tensor],
    ) -> None:
        self.module, self.parameters, self.recipe, self.batch_size = module, parameters, recipe, batch_size
        self.optimizer = make_optimizer(parameters, recipe, deep)
        restore_velocities(self.optimizer, parameters, saved)
        self.generator = Generator(next(iter(parameters.values())).device)
        set_dropout_generator(module, self.generator)

    def __call__(self, inputs: Tensor, labels: Tensor, lr: float, seed: int) -> Tensor:
        set_lr(self.optimizer, lr)
        self.generator.manual_seed(seed)
        return train_step(
            self.module,
            self.optimizer,
            inputs,
            labels,
            batch_size=self.batch_size,
            label_smoothing=self.recipe.label_smoothing,
            clip=self.recipe.clip,
        )

    def velocities(self) -> dict[str, Tensor]:
        return velocities(self.optimizer, self.parameters)


def train_step(
    module: nn.Module,
    optimizer: Optimizer,
    inputs: Tensor,
    labels: Tensor,
    *,
    batch_size: int,
    label_smoothing: float,
    clip: float,
) -> Tensor:
    """Move the weights along the gradient of one batch, and return the sum of its losses, (), detached."""
    logits = module(inputs)  # (B, K)
    loss = F.cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction="sum")
    optimizer.zero_grad(set_to_none=True)
    (loss / batch_size).backward()  # type: ignore[no-untyped-call]
    if clip:
        nn.utils.clip_grad_norm_((weight for group in optimizer.param_groups for weight in group["params"]), clip)
    optimizer.step()
    return loss.detach()


def step_seed(seed: int, step: int) -> int:
    """Make what is random in a step a function of (seed, step)."""
    return mixed(seed, step)
