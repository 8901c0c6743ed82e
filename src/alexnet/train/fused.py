"""The step of training on a GPU: one captured graph, weights moved in one pass."""

from collections.abc import Mapping

from torch import Tensor, nn

from alexnet.fast import FastNet
from alexnet.fast.graph import TrainStep
from alexnet.fast.optimizer import Update
from alexnet.train.optimizer import factor_and_decay
from alexnet.train.recipe import Recipe


class FusedStep:
    """The recipe's update on a fused network; see `make_step`."""

    def __init__(
        self,
        module: FastNet,
        parameters: Mapping[str, nn.Parameter],
        deep: frozenset[str],
        recipe: Recipe,
        batch_size: int,
        saved: Mapping[str, Tensor],
    ) -> None:
        updates = {}
        for name in parameters:
            lr_factor, decay = factor_and_decay(name, recipe, deep)
            updates[name] = Update(recipe.update, recipe.momentum, decay, lr_factor)
        self._step = TrainStep(
            module, updates, batch_size=batch_size, label_smoothing=recipe.label_smoothing, clip=recipe.clip
        )
        for name, velocity in saved.items():
            self._step.velocities[name].copy_(velocity)

    def __call__(self, inputs: Tensor, labels: Tensor, lr: float, seed: int) -> Tensor:
        return self._step(inputs, labels, lr, seed)

    def velocities(self) -> dict[str, Tensor]:
        return self._step.velocities
