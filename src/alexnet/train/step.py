"""One training step.

B pictures, K classes. Everything random in it is a function of (seed, step), so no random state is ever saved.
"""

import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from alexnet.train.initial import mixed


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
    """Move the weights along the gradient of one batch, and return the sum of its losses, (), detached.

    The gradient is the sum over the batch divided by `batch_size`, a full batch's: in a last batch of fewer pictures
    each still weighs as much as any other.
    """
    logits = module(inputs)  # (B, K)
    loss = F.cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction="sum")
    optimizer.zero_grad(set_to_none=True)
    (loss / batch_size).backward()  # type: ignore[no-untyped-call]
    if clip:
        nn.utils.clip_grad_norm_((weight for group in optimizer.param_groups for weight in group["params"]), clip)
    optimizer.step()
    return loss.detach()


def seed_dropout(generator: Generator, seed: int, step: int) -> None:
    """Make the masks of a step a function of (seed, step)."""
    generator.manual_seed(mixed(seed, step))
