"""Which views of a batch show a box of another one, as the recipe says."""

import numpy as np
from torch import Tensor

from alexnet.data.chance import MIX, draws
from alexnet.data.mix import DRAWS_PER_MIX, Mixture, mixed_labels, mixture
from alexnet.train.job import Job


def drawn_mixture(job: Job, epoch: int, start: int, positions: np.ndarray) -> Mixture | None:
    """The mixture of the batch that begins at position `start`; None where the recipe mixes nothing.

    Args:
        positions: (B,) places of its pictures in the epoch's order.
    """
    recipe = job.recipe
    if not recipe.cutmix:
        return None
    slots = draws(recipe.seed, epoch, start, recipe.batch_size, DRAWS_PER_MIX, MIX)
    return mixture(positions, slots[positions - start], job.preprocessing.size, recipe.cutmix)


def shared_labels(job: Job, labels: Tensor, mixture: Mixture | None) -> Tensor:
    """Labels (B,) as they are, or as shares (B, K)."""
    return labels if mixture is None else mixed_labels(labels, mixture, len(job.labels))
