"""What follows a convolution, in one GPU kernel each way: bias, ReLU, response norm, max pooling.

Maps are (B, C, H, W) in channels_last, whole or as two towers: a tuple of one tensor, or of two with half the channels
each. The kernels round once, at the end; the norm's scale and the ReLU's mask are computed again from the convolution's
output in the backward pass, and pooling remembers one byte per output.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from alexnet.fast.rows import sum_of_rows
from alexnet.lineages.spec import Norm, Pool
from alexnet.lineages.trace import out_size

Maps = tuple[Tensor, ...]
"""One tensor (B, C, H, W), or two towers (B, C/2, H, W)."""

THREADS = 128
LARGEST_WINDOW = 9
ROWS, MANY_OUTPUTS = 3, 20_000
PROGRAMS = 2048
"""About as many programs as fill a large GPU a few times; with more of them there are more rows of bias sums."""


@dataclass(frozen=True)
class Tail:
    """What follows a convolution, in this order; each part may be missing.

    Attributes:
        channels: of the whole map.
        relu: "first": bias, ReLU, norm, pool; "last": bias, norm, pool, ReLU.
        towers: in how many tensors the result comes.
    """

    channels: int
    relu: Literal["first", "last", "none"] = "none"
    norm: Norm | None = None
    pool: Pool | None = None
    towers: int = 1

    @property
    def is_bare(self) -> bool:
        """Whether there is only bias and ReLU."""
        return self.relu == "first" and self.norm is None and self.pool is None

    @property
    def is_supported(self) -> bool:
        """Whether the kernels know this norm and this pool."""
        norm, pool = self.norm, self.pool
        if norm is not None:
            span = self.channels // norm.groups
            is_aligned = norm.groups == 1 or span % 8 == 0
            if not is_aligned or norm.size % 2 == 0 or norm.size > LARGEST_WINDOW:
                return False
        is_small = pool is None or (pool.kernel_size <= 3 and pool.stride <= pool.kernel_size)
        is_split = self.towers in (1, 2) and self.channels % self.towers == 0
        return is_small and is_split and (pool is None or pool.kind == "max")

    def out_shape(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the result, by torch's rule for pooling (a last window must begin inside)."""
        if self.pool is None:
            return height, width
        return self._side(height), self._side(width)

    def _side(self, size: int) -> int:
        assert self.pool is not None
        pool = self.pool
        side = out_size(size, pool.kernel_size, pool.stride, 0, pool.ceil)
        return side - 1 if (side - 1) * pool.stride >= size else side


def fused(tail: Tail, maps: Maps, bias: Tensor | None) -> Maps:
    """Apply `tail` to the output of a convolution; differentiable in maps and bias.

    Args:
        maps: float32, float16 or bfloat16.
        bias: (C,) float32.

    Returns:
        `tail.towers` tensors of the maps' dtype, channels_last.
    """
    assert tail.is_supported, tail
    results: Maps = _Fused.apply(tail, bias, *maps)  # type: ignore[no-untyped-call]
    return results


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tail: Tail, bias: Tensor | None, *maps: Tensor) -> Maps:
        xs = tuple(map(dense, maps))  # (B, H, W, C / towers)
        is_needed = any(ctx.needs_input_grad)
        ys, codes = run_forward(tail, bias, xs, (tail.channels // tail.towers,) * tail.towers, is_needed)
        if is_needed:
            ctx.tail, ctx.has_codes, ctx.has_bias = tail, codes is not None, bias is not None
            ctx.save_for_backward(*(t for t in (bias, codes) if t is not None), *xs)
        return tuple(y.permute(0, 3, 1, 2) for y in ys)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        saved = list(ctx.saved_tensors)
        bias = saved.pop(0) if ctx.has_bias else None
        codes = saved.pop(0) if ctx.has_codes else None
        slopes, bias_grad = run_backward(ctx.tail, bias, saved, codes, tuple(map(dense, grads)))
        return None, bias_grad, *(slope.permute(0, 3, 1, 2) for slope in slopes)


def dense(maps: Tensor) -> Tensor:
    """(B, H, W, C) as the kernels walk through it."""
    return maps.permute(0, 2, 3, 1).contiguous()


def run_forward(
    tail: Tail, bias: Tensor | None, xs: Maps, widths: Sequence[int], is_needed: bool
) -> tuple[Maps, Tensor | None]:
    """The results, of `widths` channels each, and if gradients are needed where each number came from.

    Args:
        xs: dense (B, H, W, C), or two whose channels add up to C.
    """
    from alexnet.fast import kernels

    batch, height, width, _ = xs[0].shape
    rows, columns = tail.out_shape(height, width)
    ys = tuple(xs[0].new_empty(batch, rows, columns, width) for width in widths)
    has_codes = is_needed and _chooses(tail)
    codes = xs[0].new_empty(batch, rows, columns, tail.channels, dtype=torch.uint8) if has_codes else None
    settings = _settings(tail, xs, ys, bias)
    stride, window = settings["STRIDE"], settings["WINDOW"]
    each = _rows_at_once(tail, rows, batch * rows * columns)
    count = batch * -(-rows // each) * columns * settings["CHUNKS"]
    overhang = (rows - 1) * stride + window > height or (columns - 1) * stride + window > width
    kernels.forward[(-(-count // THREADS),)](
        xs[0], xs[-1], _or(bias, xs[0]), ys[0], ys[-1], _or(codes, ys[0]),
        count, height, width, rows, columns,
        CODES=has_codes, OVERHANG=overhang, ROWS=each, T=THREADS, num_warps=THREADS // 32, **settings,
    )  # fmt: skip
    return ys, codes


def run_backward(
    tail: Tail, bias: Tensor | None, xs: list[Tensor], codes: Tensor | None, grads: Maps
) -> tuple[Maps, Tensor | None]:
    """Gradients of the maps, in as many tensors as they are, and of the bias."""
    from alexnet.fast import kernels

    batch, height, width, _ = xs[0].shape
    rows, columns = tail.out_shape(height, width)
    settings = _settings(tail, tuple(xs), grads, bias)
    stride, threads = settings["STRIDE"], _threads(settings["CHUNKS"])
    cells = (-(-height // stride), -(-width // stride))
    count = batch * prod(cells)
    slots = threads // settings["CHUNKS"]
    rounds = -(-count // (slots * PROGRAMS))
    programs = -(-count // (slots * rounds))
    slopes = tuple(map(torch.empty_like, xs))
    parts = xs[0].new_empty(programs * slots if bias is not None else 0, tail.channels, dtype=torch.float32)
    sums = parts.new_empty(programs if bias is not None else 0, tail.channels)
    kernels.backward[(programs,)](
        xs[0], xs[-1], _or(bias, xs[0]), grads[0], grads[-1], _or(codes, xs[0]), slopes[0], slopes[-1], parts, sums,
        count, height, width, rows, columns, *cells, rounds,
        CODES=codes is not None, T=threads, num_warps=threads // 32,
        SLOTS_WIDE=1 << (slots - 1).bit_length(), C_WIDE=1 << (tail.channels - 1).bit_length(), **settings,
    )  # fmt: skip
    return slopes, sum_of_rows(sums) if bias is not None else None


def _rows_at_once(tail: Tail, rows: int, outputs: int) -> int:
    """Outputs, one below the other, that a thread makes: more where windows share a row and there is work for all."""
    is_shared = tail.pool is not None and tail.pool.kernel_size == tail.pool.stride + 1
    return ROWS if is_shared and rows % ROWS == 0 and outputs >= MANY_OUTPUTS else 1


def _chooses(tail: Tail) -> bool:
    """Whether the gradient goes only to some inputs, by what the forward pass saw."""
    return tail.relu == "last" or (tail.pool is not None and tail.pool.kernel_size > 1)


def _or(tensor: Tensor | None, other: Tensor) -> Tensor:
    # A kernel wants an address even for what it will not read.
    return other if tensor is None else tensor


def _settings(tail: Tail, xs: Maps, ys: Maps, bias: Tensor | None) -> dict[str, Any]:
    """What both kernels are compiled for."""
    norm, pool = tail.norm or Norm("none", size=1), tail.pool
    lanes = 16 // xs[0].element_size()  # one 16-byte access per thread
    assert lanes in (4, 8), f"the kernels know 2- and 4-byte numbers, not {xs[0].dtype}"
    reach = norm.size // 2 if tail.norm else 0
    return {
        "C": tail.channels, "IN": xs[0].shape[3], "OUT": ys[0].shape[3], "SPAN": tail.channels // norm.groups,
        "NORM": tail.norm is not None, "REACH": reach, "HALO": 2 ** (reach - 1).bit_length() if reach else 0,
        "ALPHA": norm.alpha / norm.size, "BETA": norm.beta, "K": norm.k,
        "WINDOW": pool.kernel_size if pool else 1, "STRIDE": pool.stride if pool else 1,
        "RELU": {"none": 0, "first": 1, "last": 2}[tail.relu], "BIAS": bias is not None,
        "CHUNKS": -(-tail.channels // lanes), "N": lanes,
    }  # fmt: skip


def _threads(chunks: int) -> int:
    """Threads of a program that works on whole pixels of so many chunks: the fewest that leave few idle."""
    sizes = [size for size in (128, 256, 512) if size >= chunks] or [1 << (chunks - 1).bit_length()]
    return min(sizes, key=lambda size: (size % chunks > size // 8, size))
