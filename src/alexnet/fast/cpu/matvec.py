"""Fully connected layers of a few pictures: the operator of `matvec.c`, which reads weights as fast as memory can."""

from ctypes import Structure, c_int, c_void_p
from pathlib import Path

import torch
from torch import Tensor

from alexnet.fast.cpu.compiled import Compiled, Operator

OPERATOR = Compiled(Path(__file__).with_name("matvec.c"))
FEW = 6  # pictures: for 8 a product of oneDNN's, which reads its weights slower but once, takes as long


class Task(Structure):
    """`struct task` of the C file, field by field."""

    _fields_ = (
        ("weight", c_void_p), ("bias", c_void_p), ("features", c_void_p), ("result", c_void_p),
        ("rows", c_int), ("columns", c_int), ("pictures", c_int), ("is_rectified", c_int),
    )  # fmt: skip


def suits(features: Tensor, weight: Tensor) -> bool:
    """Whether the operator does this, and gains by it."""
    is_float = features.dtype == weight.dtype == torch.float32
    return is_float and len(features) <= FEW and weight.layout == torch.strided and weight.is_contiguous()


def multiplied(function: Operator, features: Tensor, weight: Tensor, bias: Tensor | None, is_rectified: bool) -> Tensor:
    """Features (B, F) times the transposed weight (O, F), plus bias (O,), behind a ReLU if that is wanted.

    Args:
        function: of `OPERATOR.find`; the tensors are such as `suits` looks for.
    """
    features = features.contiguous()
    result = features.new_empty(len(features), len(weight))
    task = Task(
        weight.data_ptr(), None if bias is None else bias.data_ptr(), features.data_ptr(), result.data_ptr(),
        *weight.shape, len(features), is_rectified,
    )  # fmt: skip
    function(task)
    return result
