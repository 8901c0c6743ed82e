"""Norm and max pooling beside each other as one step: the operator of `norm_pool.c`, or torch's passes without it."""

from ctypes import Structure, c_float, c_int, c_void_p
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from alexnet.fast.cpu.compiled import Compiled, Operator
from alexnet.fast.cpu.integers import Range
from alexnet.fast.cpu.norm import ResponseNorm

OPERATOR = Compiled(Path(__file__).with_name("norm_pool.c"))
NUMBERS = {torch.float32: 0, torch.bfloat16: 1, torch.uint8: 2}
NO_NORM, BEFORE_POOLING, AFTER_POOLING = range(3)


class Task(Structure):
    """`struct task` of the C file, field by field."""

    _fields_ = (
        ("maps", c_void_p), ("result", c_void_p), ("number", c_int), ("result_number", c_int),
        ("images", c_int), ("height", c_int), ("width", c_int), ("channels", c_int),
        ("result_height", c_int), ("result_width", c_int),
        ("norm", c_int), ("groups", c_int), ("reach", c_int), ("k", c_float), ("alpha", c_float),
        ("size", c_int), ("stride", c_int), ("steps", c_float), ("zero", c_float),
    )  # fmt: skip


@dataclass(frozen=True)
class MaxPool:
    """Pooling of numbers of any type."""

    layer: nn.MaxPool2d

    def __call__(self, maps: Tensor) -> Tensor:
        if maps.dtype != torch.uint8:
            result: Tensor = self.layer(maps)
            return result
        size, stride = self.layer.kernel_size, self.layer.stride
        pair = [[side, side] for side in (size, stride, 0, 1)]
        pooled: Tensor = torch.ops.quantized.max_pool2d(maps, *pair, self.layer.ceil_mode)
        return pooled


@dataclass(frozen=True)
class NormPool:
    """A norm, a pooling, or one behind the other.

    Attributes:
        norm: its passes by torch, or None.
        pool: likewise.
        pools_first: which of two comes first.
        outputs: what the uint8 stand for that a norm's reader wants; None keeps the type of the maps.
        operator: what does both in one pass, where it can be had.
    """

    norm: ResponseNorm | None
    pool: MaxPool | None
    pools_first: bool = False
    outputs: Range | None = None
    operator: Compiled = OPERATOR

    def __call__(self, maps: Tensor) -> Tensor:
        """Return the result of (B, C, H, W) in channels_last. Norms by torch give float32, whatever is wanted."""
        function = self.operator.find()
        if function is not None and self._is_known(maps):
            return self._operate(function, maps.contiguous(memory_format=torch.channels_last))
        for step in (self.pool, self.norm) if self.pools_first else (self.norm, self.pool):
            maps = step(maps) if step else maps
        return maps

    def _is_known(self, maps: Tensor) -> bool:
        """Whether the operator does this: it knows no other power, and leaves maps smaller than a window to torch."""
        is_large = self.pool is None or min(maps.shape[2:]) >= window(self.pool.layer)[0]
        is_power_known = self.norm is None or self.norm.layer.beta == 0.75
        return maps.dtype in (torch.float32, torch.bfloat16) and is_large and is_power_known

    def _operate(self, function: Operator, maps: Tensor) -> Tensor:
        """Have the operator do it on maps that it knows, in channels_last."""
        images, channels, height, width = maps.shape
        sides = [pooled_side(self.pool.layer, side) if self.pool else side for side in (height, width)]
        dtype = torch.uint8 if self.outputs else maps.dtype
        result = torch.empty((images, channels, *sides), dtype=dtype, memory_format=torch.channels_last)
        task = Task(
            maps.data_ptr(), result.data_ptr(), NUMBERS[maps.dtype], NUMBERS[dtype],
            images, height, width, channels, *sides, norm=NO_NORM, groups=1, size=1, stride=1,
        )  # fmt: skip
        if self.norm:
            norm = self.norm.layer
            task.norm = AFTER_POOLING if self.pools_first else BEFORE_POOLING
            task.groups, task.reach, task.k, task.alpha = norm.groups, norm.size // 2, norm.k, norm.alpha / norm.size
        if self.pool:
            task.size, task.stride = window(self.pool.layer)
        if self.outputs:
            task.steps, task.zero = 1 / self.outputs.scale, self.outputs.zero
        if function(task):
            raise MemoryError(f"no memory for a few lines of maps {tuple(maps.shape)}")
        return result


def window(pool: nn.MaxPool2d) -> tuple[int, int]:
    """Side and stride of a pooling's window, which is square."""
    size, stride = pool.kernel_size, pool.stride
    assert isinstance(size, int) and isinstance(stride, int)
    return size, stride


def pooled_side(pool: nn.MaxPool2d, side: int) -> int:
    """Height or width of what a pooling makes of a map's; every window begins inside the map."""
    size, stride = window(pool)
    last = side - size + (stride - 1 if pool.ceil_mode else 0)
    return min(last, side - 1) // stride + 1
