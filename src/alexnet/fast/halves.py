"""A convolution of the channels of two processes, each of which has half of them and wants some of the kernels.

Half of the work needs nothing from the other: it goes on while the other's channels travel, or their gradients.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from alexnet.fast.branch import beside
from alexnet.fast.exchange import Link, Swap
from alexnet.fast.lrn_pool import dense
from alexnet.fast.slopes import input_slopes, weight_slopes


def convolved_halves(own: Tensor, weight: Tensor, stride: int, padding: int, link: Link) -> Tensor:
    """Convolve the channels of both, without bias; differentiable in this process's channels and in the weight.

    Args:
        own: (B, C, H, W), channels_last; the first process has the first C channels.
        weight: (O, 2 C, k, k).
        link: the two processes.
    """
    result: Tensor = _Halves.apply(own, weight, stride, padding, link)  # type: ignore[no-untyped-call]
    return result


class _Halves(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, weight: Tensor, stride: int, padding: int, link: Link) -> Tensor:
        swap = Swap(dense(own), link)
        halves = [half.contiguous(memory_format=torch.channels_last) for half in weight.chunk(2, dim=1)]
        mine, others = halves[link.rank], halves[1 - link.rank]
        result = F.conv2d(own, mine, None, stride, padding)
        other = swap.other().permute(0, 3, 1, 2)
        result += F.conv2d(other, others, None, stride, padding)
        ctx.stride, ctx.padding, ctx.link = stride, padding, link
        ctx.save_for_backward(own, other, mine, others)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        own, other, mine, others = ctx.saved_tensors
        how = (ctx.stride, ctx.padding)
        swap = Swap(dense(input_slopes(grad, other, others, *how)), ctx.link)
        with beside(grad, own, other):
            slopes = [weight_slopes(grad, own, mine, *how), weight_slopes(grad, other, others, *how)]
            weight_grad = torch.cat(slopes if ctx.link.rank == 0 else slopes[::-1], dim=1)
        map_grad = input_slopes(grad, own, mine, *how)
        map_grad += swap.other().permute(0, 3, 1, 2)
        return map_grad, weight_grad, None, None, None
