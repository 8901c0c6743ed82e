"""What follows the convolution of a tower whose response norm reaches into the other tower, on another process.

Of a map only the other's channels at the border go over: they lie beside the tower's own as a narrow second tensor,
which the kernels of `lrn_pool` read as they read a second tower. Of the first layer, whose pictures both have, the
kernels at the border go over in place of their channels: 12 KB in place of 1.5 MB for 128 pictures.
"""

from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from alexnet.fast.exchange import Link, Swap
from alexnet.fast.lrn_pool import Maps, Tail, dense, run_backward, run_forward

CHUNK = 8  # channels that a kernel reads at once, so that the tower's own begin where one does
T = TypeVar("T")


def bordered(tail: Tail, maps: Tensor, bias: Tensor, link: Link) -> Tensor:
    """Apply `tail` to a tower's part (B, C, H, W) of a convolution's output; differentiable in maps and bias.

    Args:
        tail: of one tower's channels, with a norm; the kernels know it with CHUNK channels more, see `widened`.
        bias: (C,) float32.
        link: the two processes; the first has the channels before those of the second.
    """
    result: Tensor = _Bordered.apply(tail, maps, bias, link)  # type: ignore[no-untyped-call]
    return result


def cropped(tail: Tail, maps: Tensor, bias: Tensor, link: Link) -> Tensor:
    """Apply `tail` where the other's CHUNK channels at the border are there already, and leave them out of the result.

    Args:
        tail: of one tower's C channels, with a norm.
        maps: (B, C + CHUNK, H, W), in the order of channels; differentiable, as the bias is.
        bias: (C + CHUNK,) float32.
        link: the two processes.
    """
    result: Tensor = _Cropped.apply(tail, maps, bias, link)  # type: ignore[no-untyped-call]
    return result


def with_neighbours(kernels: Tensor, bias: Tensor, link: Link) -> tuple[Tensor, Tensor]:
    """A tower's kernels (O, C, k, k) and biases (O,) float32, and the other's CHUNK at the border; differentiable."""
    both: tuple[Tensor, Tensor] = _WithNeighbours.apply(kernels, bias, link)  # type: ignore[no-untyped-call]
    return both


def widened(tail: Tail) -> Tail:
    """The tail of the tower's channels and the strip beside them."""
    return Tail(tail.channels + CHUNK, tail.relu, tail.norm, tail.pool)


class _Bordered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tail: Tail, maps: Tensor, bias: Tensor, link: Link) -> Tensor:
        own, edge = dense(maps), _edge(tail, link)
        # With its bias: the kernel adds none to the strip, and applies the ReLU to both.
        other = Swap(own[..., edge] + bias[edge].to(own.dtype), link).other()
        strip, none = own.new_zeros(*own.shape[:3], CHUNK), bias.new_zeros(CHUNK)
        strip[..., _place(tail, link)] = other
        return _forward(ctx, tail, link, _ordered((own, strip), link), torch.cat(_ordered((bias, none), link)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        tail, link = ctx.tail, ctx.link
        slopes, bias_grads = _backward(ctx, grad)
        own, strip = _ordered(slopes, link)
        bias_grad, edge = _split(bias_grads, link)[0], _edge(tail, link)
        coming = Swap(strip[..., _place(tail, link)], link).other()
        own[..., edge] += coming
        bias_grad[edge] += coming.sum((0, 1, 2), dtype=torch.float32)
        return None, own.permute(0, 3, 1, 2), bias_grad, None


class _Cropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tail: Tail, maps: Tensor, bias: Tensor, link: Link) -> Tensor:
        return _forward(ctx, tail, link, (dense(maps),), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (slopes,), bias_grads = _backward(ctx, grad)
        return None, slopes.permute(0, 3, 1, 2), bias_grads, None


class _WithNeighbours(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kernels: Tensor, bias: Tensor, link: Link) -> tuple[Tensor, Tensor]:
        ctx.link, edge = link, _border(len(kernels), CHUNK, link)
        other_kernels, other_bias = _swapped_rows(kernels[edge], bias[edge], link)
        return torch.cat(_ordered((kernels, other_kernels), link)), torch.cat(_ordered((bias, other_bias), link))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, kernel_grads: Tensor, bias_grads: Tensor) -> tuple[Tensor | None, ...]:
        (kernels, other_kernels), (bias, other_bias) = _split(kernel_grads, ctx.link), _split(bias_grads, ctx.link)
        edge = _border(len(kernels), CHUNK, ctx.link)
        coming_kernels, coming_bias = _swapped_rows(other_kernels, other_bias, ctx.link)
        kernels[edge] += coming_kernels
        bias[edge] += coming_bias
        return kernels, bias, None


def _forward(ctx: Any, tail: Tail, link: Link, xs: Maps, biases: Tensor) -> Tensor:
    """The tower's own result of what lies in `xs` in the order of channels."""
    is_needed = any(ctx.needs_input_grad)
    widths = _ordered((tail.channels, CHUNK), link)
    ys, codes = run_forward(widened(tail), biases, xs, widths, is_needed)
    if is_needed:
        ctx.tail, ctx.link, ctx.has_codes = tail, link, codes is not None
        ctx.save_for_backward(biases, *(() if codes is None else (codes,)), *xs)
    return _ordered(ys, link)[0].permute(0, 3, 1, 2)


def _backward(ctx: Any, grad: Tensor) -> tuple[Maps, Tensor]:
    """Gradients of what `_forward` got, from those of the tower's own result."""
    biases, *saved = ctx.saved_tensors
    codes = saved.pop(0) if ctx.has_codes else None
    above = dense(grad)
    beside = above.new_zeros(*above.shape[:3], CHUNK)
    slopes, bias_grads = run_backward(widened(ctx.tail), biases, saved, codes, _ordered((above, beside), ctx.link))
    assert bias_grads is not None
    return slopes, bias_grads


def _swapped_rows(kernels: Tensor, bias: Tensor, link: Link) -> tuple[Tensor, Tensor]:
    """The other's kernels and biases for ours, in one message."""
    rows = torch.cat((kernels.reshape(len(kernels), -1).float(), bias[:, None]), dim=1)
    others = Swap(rows, link).other()
    return others[:, :-1].view(kernels.shape).to(kernels.dtype), others[:, -1]


def _ordered(pair: tuple[T, ...], link: Link) -> tuple[T, ...]:
    """The tower's own and what is beside it, in the order of channels; twice is as it was."""
    return pair if link.rank == 0 else pair[::-1]


def _split(wide: Tensor, link: Link) -> tuple[Tensor, Tensor]:
    """The tower's own, and the CHUNK beside it, along the first axis."""
    sizes = list(_ordered((len(wide) - CHUNK, CHUNK), link))
    own, strip = _ordered(torch.split(wide, sizes), link)
    return own, strip


def _border(count: int, width: int, link: Link) -> slice:
    """Which of a tower's `count` channels are the `width` next to the other."""
    return slice(count - width, None) if link.rank == 0 else slice(0, width)


def _reach(tail: Tail) -> int:
    assert tail.norm is not None
    return min(tail.norm.size // 2, tail.channels)


def _edge(tail: Tail, link: Link) -> slice:
    """The tower's channels that the other needs."""
    return _border(tail.channels, _reach(tail), link)


def _place(tail: Tail, link: Link) -> slice:
    """Where in the strip the other's lie."""
    return slice(0, _reach(tail)) if link.rank == 0 else slice(CHUNK - _reach(tail), None)
