"""Convolutions and matrix products, whose gradients of weights nothing waits for but the update.

In a captured step of a small batch those are computed beside the other gradients, and beside messages; see `branch`.
"""

from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from alexnet.fast.branch import beside, side_by_side
from alexnet.fast.lrn_pool import Maps
from alexnet.fast.slopes import input_slopes, weight_slopes


def convolved(maps: Maps, weight: Tensor, stride: int, padding: int) -> Maps:
    """Convolve each map with its part of the kernels, without bias; differentiable in maps and weight.

    Args:
        maps: N times (B, C, H, W), channels_last.
        weight: (O, C, k, k), channels_last; the first O / N kernels are the first map's.
    """
    results: Maps = _Convolved.apply(weight, stride, padding, *maps)  # type: ignore[no-untyped-call]
    return results


def multiplied(features: Tensor, weight: Tensor) -> Tensor:
    """Features (B, F) times the transposed weight (O, F); differentiable in both."""
    result: Tensor = _Multiplied.apply(features, weight)  # type: ignore[no-untyped-call]
    return result


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, stride: int, padding: int, *maps: Tensor) -> Maps:
        ctx.stride, ctx.padding = stride, padding
        ctx.save_for_backward(weight, *maps)
        parts = zip(maps, weight.chunk(len(maps)), strict=True)
        works = [partial(F.conv2d, images, kernels, None, stride, padding) for images, kernels in parts]
        return side_by_side(works, len(maps[0]))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weight, *maps = ctx.saved_tensors
        of_weight, of_maps = ctx.needs_input_grad[0], any(ctx.needs_input_grad[3:])
        parts = list(zip(grads, maps, weight.chunk(len(maps)), strict=True))
        weight_grad: Tensor | None = None
        map_grads: tuple[Tensor | None, ...] = (None,) * len(maps)
        if of_weight:
            with beside(*grads, *maps) if of_maps else nullcontext():  # the first layer's comes last: nothing is left
                slopes = [weight_slopes(*part, ctx.stride, ctx.padding) for part in parts]
                weight_grad = torch.cat(slopes) if len(slopes) > 1 else slopes[0]
        if of_maps:
            works = [partial(input_slopes, *part, ctx.stride, ctx.padding) for part in parts]
            map_grads = side_by_side(works, len(maps[0]))
        return weight_grad, None, None, *map_grads


class _Multiplied(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(features, weight)
        return F.linear(features, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return slopes_of_product(ctx, grad.contiguous())


def slopes_of_product(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of features and weight, which `ctx` has saved in this order, from those of their product."""
    features, weight = ctx.saved_tensors
    weight_grad = None
    if ctx.needs_input_grad[1]:
        with beside(grad, features):
            weight_grad = grad.t() @ features
    return grad @ weight if ctx.needs_input_grad[0] else None, weight_grad
