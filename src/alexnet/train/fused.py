"""The step of training on a GPU: one captured graph, weights moved in one pass."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.data.loader import share_of_batch
from alexnet.fast import FastNet
from alexnet.fast.graph import TrainStep
from alexnet.fast.optimizer import Update
from alexnet.parallel.hybrid import NO_LABEL
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
        scheme.take_up()
        module, updates = scheme.module, {}
        assert isinstance(module, FastNet)
        for name in scheme.parameters:
            lr_factor, decay = factor_and_decay(name, recipe, deep)
            updates[name] = Update(recipe.update, recipe.momentum, decay, lr_factor)
        mine = share_of_batch(batch_size, *scheme.part)
        self.scheme, self.count = scheme, mine.stop - mine.start
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
        for name, velocity in scheme.own(saved).items():
            self._step.velocities[name].copy_(velocity)

    def __call__(self, examples: Examples, lr: float, seed: int) -> Tensor:
        inputs, labels, slots = self._filled(examples)
        return self._counted(self._step(inputs, labels, lr, seed, slots))

    def eager(self, examples: Examples, lr: float, seed: int) -> Tensor:
        """The same without a graph: for those who count what a step sends."""
        inputs, labels, slots = self._filled(examples)
        return self._counted(self._step.eager(inputs, labels, lr, seed, slots))

    def _counted(self, loss: Tensor) -> Tensor:
        """The loss once, where every process has all of it."""
        is_again = self.scheme.has_whole_loss and self.scheme.team.rank > 0
        return torch.zeros_like(loss) if is_again else loss

    def _filled(self, examples: Examples) -> tuple[Tensor, Tensor, Tensor | None]:
        """Inputs, labels and slots; if all have to be there, blank pictures without a label stand for those missing.

        Blank ones have no gradient, so it does not matter whose slot they name.
        """
        inputs, labels, slots = examples.inputs, examples.labels, examples.slots
        missing = self.count - len(labels)
        if not self.scheme.is_regular or not missing:
            return inputs, labels, slots
        assert slots is not None
        blank = inputs.new_zeros((missing, *inputs.shape[1:]))
        # Of shares of the classes a row of zeros counts for nothing.
        unlabelled = labels.new_full((missing, *labels.shape[1:]), NO_LABEL if labels.ndim == 1 else 0)
        return torch.cat((inputs, blank)), torch.cat((labels, unlabelled)), F.pad(slots, (0, missing))

    def velocities(self) -> dict[str, Tensor]:
        return self.scheme.whole(self._step.velocities)
