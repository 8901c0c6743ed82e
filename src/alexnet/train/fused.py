"""The step of training on a GPU: one captured graph, weights moved in one pass."""

from collections.abc import Mapping

from torch import Tensor

from alexnet.data.loader import share_of_batch
from alexnet.fast import FastNet
from alexnet.fast.graph import TrainStep
from alexnet.fast.optimizer import Update
from alexnet.parallel.scheme import Scheme
from alexnet.train.optimizer import factor_and_decay
from alexnet.train.recipe import Recipe
from alexnet.train.stage import Examples


class FusedStep:
    """The recipe's update on a fused network; see `make_step`."""

    def __init__(
        self,
        scheme: Scheme,
        deep: frozenset[str],
        recipe: Recipe,
        batch_size: int,
        saved: Mapping[str, Tensor],
        *,
        is_overlapped: bool = True,
    ) -> None:
        module, updates = scheme.module, {}
        assert isinstance(module, FastNet)
        for name in scheme.parameters:
            lr_factor, decay = factor_and_decay(name, recipe, deep)
            updates[name] = Update(recipe.update, recipe.momentum, decay, lr_factor)
        mine = share_of_batch(batch_size, *scheme.part)
        self._step = TrainStep(
            module,
            updates,
            batch_size=batch_size,
            label_smoothing=recipe.label_smoothing,
            clip=recipe.clip,
            exchange=scheme.exchange(),
            slots=range(mine.start, mine.stop),
            is_overlapped=is_overlapped,
        )
        for name, velocity in saved.items():
            self._step.velocities[name].copy_(velocity)

    def __call__(self, examples: Examples, lr: float, seed: int) -> Tensor:
        return self._step(examples.inputs, examples.labels, lr, seed, examples.slots)

    def velocities(self) -> dict[str, Tensor]:
        return self._step.velocities
