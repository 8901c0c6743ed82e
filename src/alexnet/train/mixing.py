"""Which views of a batch show a box of another one, as the recipe says."""

import numpy as np
from torch import Tensor

from alexnet.data.chance import MIX, draws_at
from alexnet.data.mix import DRAWS_PER_MIX, Mixture, mixed_labels, mixture
from alexnet.train.job import Job


def drawn_mixture(job: Job, epoch: int, positions: np.ndarray) -> Mixture | None:
    """The mixture of pictures at some positions (B,) of an epoch's order; None where the recipe mixes nothing."""
    recipe = job.recipe
    if not recipe.cutmix:
        return None
    chances = draws_at(recipe.seed, epoch, positions, DRAWS_PER_MIX, MIX)
    return mixture(positions, chances, job.preprocessing.size, recipe.cutmix)


def shared_labels(job: Job, labels: Tensor, mixture: Mixture | None) -> Tensor:
    """Labels (B,) as they are, or as shares (B, K)."""
    return labels if mixture is None else mixed_labels(labels, mixture, len(job.labels))
