"""Weights moved in one pass: velocity and weight in float32, and the weight's copy in low precision.

20 bytes a parameter with gradients in bfloat16, in place of 36 for a fused step in float32 and a cast before it.
"""

from dataclasses import dataclass
from math import prod
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
            copy: of the weight's shape, in low precision; convolutions may have it with the channels last.
            share: () float32, what is left of the gradient; see `norm.share_left`.
        """
        assert weight.is_contiguous() and velocity.is_contiguous()
        with torch.no_grad():
            launch = self._apply_to_kernels if weight.ndim == 4 else self._apply_in_order
            launch(weight, velocity, grad, lr, copy, share)

    def _apply_in_order(
        self, weight: Tensor, velocity: Tensor, grad: Tensor, lr: Tensor, copy: Tensor | None, share: Tensor | None
    ) -> None:
        """Walk through the bytes, whose order is the same everywhere."""
        from alexnet.fast import pointwise

        assert copy is None or copy.is_contiguous()
        pointwise.update[(-(-weight.numel() // SIZE),)](
            weight, velocity, grad.contiguous(), weight if copy is None else copy, lr,
            lr if share is None else share, weight.numel(), self.lr_factor, self.weight_decay, self.momentum,
            PAPER=self.rule == "paper", NESTEROV=self.rule == "nesterov", COPY=copy is not None,
            CUT=share is not None, SIZE=SIZE,
        )  # fmt: skip

    def _apply_to_kernels(
        self, weight: Tensor, velocity: Tensor, grad: Tensor, lr: Tensor, copy: Tensor | None, share: Tensor | None
    ) -> None:
        """Walk through kernels (O, C, k, k): gradient and copy may have their channels last, as convolutions do."""
        from alexnet.fast import pointwise

        count, channels, *sides = weight.shape
        places, grad = prod(sides), _dense(grad)
        assert copy is None or copy is _dense(copy)
        wide = 1 << (places - 1).bit_length()
        tall = min(max(1, SIZE // wide), 1 << (channels - 1).bit_length())
        pointwise.update_kernels[(count, -(-channels // tall))](
            weight, velocity, grad, weight if copy is None else copy, lr, lr if share is None else share,
            channels, places, *_steps(grad), *_steps(weight if copy is None else copy),
            self.lr_factor, self.weight_decay, self.momentum,
            PAPER=self.rule == "paper", NESTEROV=self.rule == "nesterov", COPY=copy is not None,
            CUT=share is not None, C=tall, PLACES=wide,
        )  # fmt: skip


def _dense(kernels: Tensor) -> Tensor:
    return kernels if kernels.is_contiguous() else kernels.contiguous(memory_format=torch.channels_last)


def _steps(kernels: Tensor) -> tuple[int, int]:
    """Numbers from one channel of a dense kernel to the next, and from one place to the next."""
    return (prod(kernels.shape[2:]), 1) if kernels.is_contiguous() else (1, kernels.shape[1])
