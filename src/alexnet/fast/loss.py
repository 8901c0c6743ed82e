"""Cross entropy and its gradient in one GPU kernel, where torch needs two dozen small ones."""

import torch
from torch import Tensor


def cross_entropy(logits: Tensor, labels: Tensor, smoothing: float, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return the losses, (B,) float32, and `scale` times the gradient of their sum, of the logits' shape and dtype.

    As `F.cross_entropy` with `reduction="none"`, in float32 arithmetic.

    Args:
        logits: (B, K), any dtype.
        labels: (B,) classes, or (B, K) shares of each class. A row counts for nothing if its class is below zero, or
            its shares sum to zero; a class beyond the last makes its loss no number.
        smoothing: share of each label that is spread over all classes.
    """
    from alexnet.fast import loss_kernel

    count, classes = logits.shape
    assert labels.shape in ((count,), (count, classes)), f"{logits.shape} {labels.shape}"
    logits, size = logits.contiguous(), 1 << (classes - 1).bit_length()
    losses, slopes = logits.new_empty(count, dtype=torch.float32), torch.empty_like(logits)
    loss_kernel.cross_entropy[(count,)](
        logits, labels.contiguous(), losses, slopes, classes, smoothing, scale,
        SHARES=labels.ndim == 2, SIZE=size, num_warps=4 if size <= 2048 else 8,
    )  # fmt: skip
    return losses, slopes
