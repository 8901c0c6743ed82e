"""A fully connected layer for a handful of pictures: its weights are read once, and bias and ReLU cost nothing.

For one picture a matrix product is a walk through the weights; a library cuts it into parts, sums those in a second
kernel, and leaves bias and ReLU to a third.
"""

import torch
from torch import Tensor

MOST = 4  # pictures; beyond, tensor cores win
ROWS, BLOCK = 2, 1024


def few(features: Tensor, weight: Tensor, bias: Tensor, is_rectified: bool) -> Tensor:
    """Return features (B, F) times the transposed weight (O, F), plus bias (O,), rectified if asked for.

    Sums are float32; so is the result, unless it is rectified: then it has the features' dtype. Not differentiable.
    """
    from alexnet.fast import matvec_kernel

    count, width = features.shape
    outputs = weight.shape[0]
    assert count <= MOST and weight.is_contiguous() and weight.shape[1] == width, f"{features.shape} {weight.shape}"
    result = torch.empty(
        count, outputs, device=features.device, dtype=features.dtype if is_rectified else torch.float32
    )
    matvec_kernel.matvec[(-(-outputs // ROWS),)](
        features.contiguous(), weight, bias, result, outputs, width,
        B=count, RELU=is_rectified, R=ROWS, BLOCK=BLOCK,
    )  # fmt: skip
    return result


def suits(features: Tensor, seed: Tensor | None) -> bool:
    """Whether `few` can take the place of a product here."""
    return features.is_cuda and len(features) <= MOST and seed is None and not torch.is_grad_enabled()
