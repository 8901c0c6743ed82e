"""What follows a matrix product, in one GPU kernel each way: bias, ReLU, dropout."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from alexnet.fast.rows import sum_of_rows
from alexnet.fast.weighted import slopes_of_product

SIZE = 1024
ROWS, COLUMNS = 128, 16  # of a program on the way back: with so many rows a batch of 128 leaves no sums to add up

Units = tuple[int, int]
"""The first of some units that follow each other, and how many the layer has in all."""


def rectified(
    features: Tensor, bias: Tensor, p: float, seed: Tensor | None, salt: int, units: Units | None = None
) -> Tensor:
    """Bias, ReLU, and with a seed inverted dropout; differentiable in features and bias.

    Args:
        features: (B, F), rows close together.
        bias: (F,) float32.
        p: how likely a feature is dropped.
        seed: (1,) int64 on the device: the mask is a function of it, of `salt` and of the position. Or (1 + B,): the
            rows' places in a larger batch follow, whose masks they get.
        units: which of a layer's units these are, whose masks they get; None: all.
    """
    result: Tensor = _Rectified.apply(features, bias, p, seed, salt, units)  # type: ignore[no-untyped-call]
    return result


def dropped(features: Tensor, p: float, seed: Tensor, salt: int) -> Tensor:
    """Inverted dropout alone; differentiable in features."""
    result: Tensor = _Dropped.apply(features, p, seed, salt)  # type: ignore[no-untyped-call]
    return result


def biased(features: Tensor, bias: Tensor) -> Tensor:
    """Features (B, F) plus bias (F,) float32; differentiable in both."""
    result: Tensor = _Biased.apply(features, bias)  # type: ignore[no-untyped-call]
    return result


def shifted(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Features (B, F) times the transposed weight (O, F), plus bias (O,) float32; differentiable in all three."""
    result: Tensor = _Shifted.apply(features, weight, bias)  # type: ignore[no-untyped-call]
    return result


class _Biased(torch.autograd.Function):
    """As an addition, whose gradient of the bias takes three times as long."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, bias: Tensor) -> Tensor:
        return features + bias.to(features.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        return grad, sum_of_rows(grad.contiguous())


class _Shifted(torch.autograd.Function):
    """As `F.linear`, for the same reason."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(features, weight)
        return F.linear(features, weight, bias.to(weight.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        is_wanted, grad = ctx.needs_input_grad, grad.contiguous()
        return *slopes_of_product(ctx, grad), sum_of_rows(grad) if is_wanted[2] else None


class _Rectified(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, bias: Tensor, p: float, seed: Tensor | None, salt: int, units: Units | None
    ) -> Tensor:
        result = _run(features, bias, p, seed, salt, units)
        ctx.save_for_backward(result)
        ctx.scale = 1.0 if seed is None else 1 / (1 - p)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from alexnet.fast import pointwise

        (result,) = ctx.saved_tensors
        rows, features = result.shape
        slopes = torch.empty_like(result)
        programs = (-(-rows // ROWS), -(-features // COLUMNS))
        sums = result.new_empty(programs[0], features, dtype=torch.float32)
        pointwise.rectify_backward[programs](
            result, grad.contiguous(), slopes, sums, rows, features, SCALE=ctx.scale, R=ROWS, F=COLUMNS
        )
        return slopes, sum_of_rows(sums), None, None, None, None


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, p: float, seed: Tensor, salt: int) -> Tensor:
        ctx.p, ctx.salt = p, salt
        ctx.save_for_backward(seed)
        return _run(features, None, p, seed, salt)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (seed,) = ctx.saved_tensors
        return _run(grad, None, ctx.p, seed, ctx.salt), None, None, None


def _run(
    features: Tensor, bias: Tensor | None, p: float, seed: Tensor | None, salt: int, units: Units | None = None
) -> Tensor:
    from alexnet.fast import pointwise

    features = features.contiguous()
    result, count = torch.empty_like(features), features.numel()
    first, width = units or (0, features.shape[-1])
    # A kernel wants an address even for what it will not read.
    pointwise.rectify[(-(-count // SIZE),)](
        features, features if bias is None else bias, features if seed is None else seed, result,
        count, features.shape[-1], first, width,
        P=p, SALT=salt, RELU=bias is not None, BIAS=bias is not None, DROP=seed is not None,
        SLOTS=seed is not None and len(seed) > 1, SIZE=SIZE,
    )  # fmt: skip
    return result
