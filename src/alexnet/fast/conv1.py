"""The first convolution on blocks of pixels: 11x11 at stride 4 on 3 channels is 3x3 at stride 1 on 48.

Tensor cores want many channels. 227 pixels, or 224 with padding or rounded up, become 57x57 blocks of 4x4x3 numbers;
the kernel grows from 11 to 12 with zeros. The same function, 19 % more multiplications, ten times as fast on an H100.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from alexnet.lineages.spec import Conv
from alexnet.lineages.trace import out_size


@dataclass(frozen=True)
class Blocks:
    """How a strided convolution becomes one on blocks of stride x stride pixels."""

    kernel_size: int
    stride: int
    padding: int
    ceil: bool

    @classmethod
    def of(cls, row: Conv) -> "Blocks":
        return cls(row.kernel_size, row.stride, row.padding, row.ceil)

    @property
    def reach(self) -> int:
        """Side of the new kernel, in blocks."""
        return -(-self.kernel_size // self.stride)

    def side(self, size: int) -> int:
        """Blocks along an axis of `size` pixels."""
        return out_size(size, self.kernel_size, self.stride, self.padding, self.ceil) + self.reach - 1


def cut_blocks(images: Tensor, blocks: Blocks, dtype: torch.dtype) -> Tensor:
    """Turn images (B, C, H, W) into blocks (B, S*S*C, H', W'), channels_last, zeros beyond the edges.

    The channels of a block are ordered (row, column, colour). Differentiable; on a GPU, one pass where no gradient is
    wanted.
    """
    if images.is_cuda and not images.requires_grad:
        return _cut_on_gpu(images, blocks, dtype)
    count, colours, height, width = images.shape
    rows, columns, stride = blocks.side(height), blocks.side(width), blocks.stride
    below, right = (side * stride - blocks.padding - size for side, size in ((rows, height), (columns, width)))
    padded = F.pad(images.to(dtype), (blocks.padding, right, blocks.padding, below))
    cells = padded.reshape(count, colours, rows, stride, columns, stride)
    return cells.permute(0, 2, 4, 3, 5, 1).reshape(count, rows, columns, -1).permute(0, 3, 1, 2)


def _cut_on_gpu(images: Tensor, blocks: Blocks, dtype: torch.dtype) -> Tensor:
    rows, columns = map(blocks.side, images.shape[2:])
    return _cut(images, rows, columns, blocks.stride, blocks.padding, dtype)


def _cut(images: Tensor, rows: int, columns: int, stride: int, padding: int, dtype: torch.dtype) -> Tensor:
    from alexnet.fast import pointwise

    count, colours, height, width = images.shape
    result = torch.empty(count, rows, columns, stride * stride * colours, device=images.device, dtype=dtype)
    size = 1024
    programs = (count * rows, -(-columns * stride * stride * colours // size))
    pointwise.to_blocks[programs](
        images, result, height, width, rows, columns, *images.stride(),
        STRIDE=stride, C=colours, PADDING=padding, SIZE=size,
    )  # fmt: skip
    return result.permute(0, 3, 1, 2)


def block_weight(weight: Tensor, blocks: Blocks) -> Tensor:
    """Turn a kernel (O, C, k, k) into one on blocks, (O, S*S*C, reach, reach), channels_last; differentiable."""
    if weight.is_cuda:
        made: Tensor = _BlockWeight.apply(weight, blocks)  # type: ignore[no-untyped-call]
        return made
    out_channels, colours, kernel_size, _ = weight.shape
    reach, stride = blocks.reach, blocks.stride
    missing = reach * stride - kernel_size
    cells = F.pad(weight, (0, missing, 0, missing)).reshape(out_channels, colours, reach, stride, reach, stride)
    return cells.permute(0, 2, 4, 3, 5, 1).reshape(out_channels, reach, reach, -1).permute(0, 3, 1, 2)


class _BlockWeight(torch.autograd.Function):
    """One kernel each way: a kernel is cut as a picture is."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, blocks: Blocks) -> Tensor:
        ctx.shape, ctx.stride = weight.shape, blocks.stride
        return _cut(weight, blocks.reach, blocks.reach, blocks.stride, 0, weight.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        from alexnet.fast import pointwise

        slopes, size = grad.new_empty(ctx.shape), 1024
        pointwise.from_blocks[(-(-slopes.numel() // size),)](
            grad, slopes, slopes.numel(), *ctx.shape[1:], *grad.stride(), STRIDE=ctx.stride, SIZE=size
        )
        return slopes, None
