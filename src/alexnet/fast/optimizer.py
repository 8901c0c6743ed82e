"""Weights moved in one pass: velocity and weight in float32, and the weight's copy in low precision.

20 bytes a parameter with gradients in bfloat16, in place of 36 for a fused step in float32 and a cast before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Rule = Literal["paper", "nesterov", "torch"]

SIZE = 1024


@dataclass(frozen=True)
class Update:
    """How a gradient moves a parameter.

    Attributes:
        rule: "paper": v <- momentum v - lr (gradient + decay w), w <- w + v; "torch" and "nesterov": as
            `torch.optim.SGD`, the rate outside the velocity.
        lr_factor: factor on the rate of this parameter.
    """

    rule: Rule = "paper"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    lr_factor: float = 1.0

    def apply(
        self,
        weight: Tensor,
        velocity: Tensor,
        grad: Tensor,
        lr: Tensor,
        copy: Tensor | None = None,
        share: Tensor | None = None,
    ) -> None:
        """Move `weight` and `velocity` (float32) in place and write `copy`.

        Args:
            grad: of the weight's shape, any dtype.
            lr: (1,) float32 on the device, so that a captured graph can be replayed with another rate.
            copy: of the weight's shape, in low precision.
            share: () float32, what is left of the gradient; see `share_left`.
        """
        # The bytes are walked through in order, so that order has to be the same everywhere.
        assert weight.is_contiguous() and velocity.is_contiguous()
        assert copy is None or copy.is_contiguous()
        from alexnet.fast import pointwise

        with torch.no_grad():
            pointwise.update[(-(-weight.numel() // SIZE),)](
                weight, velocity, grad.contiguous(), weight if copy is None else copy, lr,
                lr if share is None else share, weight.numel(), self.lr_factor, self.weight_decay, self.momentum,
                PAPER=self.rule == "paper", NESTEROV=self.rule == "nesterov", COPY=copy is not None,
                CUT=share is not None, SIZE=SIZE,
            )  # fmt: skip


def share_left(grads: Sequence[Tensor], limit: float) -> Tensor:
    """By how much gradients have to shrink for their common norm to be `limit`, at most 1: () float32 on their device.

    As `torch.nn.utils.clip_grad_norm_`, without waiting for the device.
    """
    return share_of(squares(grads), limit)


def squares(grads: Sequence[Tensor]) -> Tensor:
    """The sum of the squares of all numbers, () float32."""
    norms: list[Tensor] = []
    for dtype in dict.fromkeys(grad.dtype for grad in grads):
        alike = [grad for grad in grads if grad.dtype == dtype]
        norms += torch._foreach_norm(alike, 2, dtype=torch.float32)
    return torch.stack(norms).square().sum()


def share_of(square: Tensor, limit: float) -> Tensor:
    """What is left where that is the sum of squares of the whole gradient."""
    return (limit / (square.sqrt() + 1e-6)).clamp(max=1.0)
