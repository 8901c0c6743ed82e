"""What follows the convolution of a tower whose response norm reaches into the other tower, on another process.

Only the other's channels at the border go over: they lie beside the tower's own as a narrow second tensor, which the
kernels of `lrn_pool` read as they read a second tower.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from alexnet.fast.exchange import Link, everyone
from alexnet.fast.lrn_pool import Tail, dense, run_backward, run_forward

CHUNK = 8  # channels that a kernel reads at once, so that the tower's own begin where one does


def bordered(tail: Tail, maps: Tensor, bias: Tensor, link: Link) -> Tensor:
    """Apply `tail` to a tower's part (B, C, H, W) of a convolution's output; differentiable in maps and bias.

    Args:
        tail: of one tower's channels, with a norm; the kernels know it with CHUNK channels more, see `widened`.
        bias: (C,) float32.
        link: the two processes; the first has the channels before those of the second.
    """
    result: Tensor = _Bordered.apply(tail, maps, bias, link)  # type: ignore[no-untyped-call]
    return result


def widened(tail: Tail) -> Tail:
    """The tail of the tower's channels and the strip beside them."""
    return Tail(tail.channels + CHUNK, tail.relu, tail.norm, tail.pool)


class _Bordered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tail: Tail, maps: Tensor, bias: Tensor, link: Link) -> Tensor:
        own, edge = dense(maps), _edge(tail, link)
        # With its bias: the kernel adds none to the strip, and applies the ReLU to both.
        other = _swapped(own[..., edge] + bias[edge].to(own.dtype), link)
        strip, none = own.new_zeros(*own.shape[:3], CHUNK), bias.new_zeros(CHUNK)
        strip[..., _place(tail, link)] = other
        xs, biases = _ordered((own, strip), link), torch.cat(_ordered((bias, none), link))
        is_needed = any(ctx.needs_input_grad)
        ys, codes = run_forward(widened(tail), biases, xs, [each.shape[3] for each in xs], is_needed)
        if is_needed:
            ctx.tail, ctx.link, ctx.has_codes = tail, link, codes is not None
            ctx.save_for_backward(biases, *xs, *(() if codes is None else (codes,)))
        return _ordered(ys, link)[0].permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        biases, first, second, *codes = ctx.saved_tensors
        tail, link, edge = ctx.tail, ctx.link, _edge(ctx.tail, ctx.link)
        above = dense(grad)
        beside = above.new_zeros(*above.shape[:3], CHUNK)
        slopes, bias_grads = run_backward(
            widened(tail), biases, [first, second], codes[0] if codes else None, _ordered((above, beside), link)
        )
        assert bias_grads is not None
        own, strip = _ordered(slopes, link)
        bias_grad = bias_grads[: tail.channels] if link.rank == 0 else bias_grads[CHUNK:]
        coming = _swapped(strip[..., _place(tail, link)], link)
        own[..., edge] += coming
        bias_grad[edge] += coming.sum((0, 1, 2), dtype=torch.float32)
        return None, own.permute(0, 3, 1, 2), bias_grad, None


def _swapped(strip: Tensor, link: Link) -> Tensor:
    """What the other of the two has."""
    return everyone(strip, link)[1 - link.rank]


def _ordered(pair: tuple[Tensor, ...], link: Link) -> tuple[Tensor, ...]:
    """The tower's own and what is beside it, in the order of channels; twice is as it was."""
    return pair if link.rank == 0 else pair[::-1]


def _reach(tail: Tail) -> int:
    assert tail.norm is not None
    return min(tail.norm.size // 2, tail.channels)


def _edge(tail: Tail, link: Link) -> slice:
    """The tower's channels next to the other."""
    return slice(tail.channels - _reach(tail), None) if link.rank == 0 else slice(0, _reach(tail))


def _place(tail: Tail, link: Link) -> slice:
    """Where in the strip the other's lie."""
    return slice(0, _reach(tail)) if link.rank == 0 else slice(CHUNK - _reach(tail), None)
