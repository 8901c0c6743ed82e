"""Gradients of a convolution's kernels and of its input, the latter in whichever of two exact forms is faster here.

cuDNN has kernels of its own for it. At stride 1 it is also a convolution, of what comes back with the kernels turned
around, for which cuDNN has others. Which one wins depends on the shape and on the GPU, so it is measured, as cuDNN
measures its own.
"""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Form = Callable[[Tensor, Tensor, Tensor, int, int], Tensor]
REPEATS = 5

_fastest: dict[tuple[object, ...], Form] = {}


def weight_slopes(grad: Tensor, images: Tensor, kernels: Tensor, stride: int, padding: int) -> Tensor:
    """The gradient of kernels (O, C, k, k) from that of their convolution with images (B, C, H, W)."""
    return _by_torch("kernels", grad, images, kernels, stride, padding)


def input_slopes(grad: Tensor, images: Tensor, kernels: Tensor, stride: int, padding: int) -> Tensor:
    """The gradient of images (B, C, H, W) from that of their convolution with kernels (O, C, k, k).

    While cuDNN may search, the forms are compared once for each shape; until then, and elsewhere, it is cuDNN's own.
    """
    forms = [own] if stride > 1 or padding >= kernels.shape[2] else [own, turned]
    key = (grad.device, grad.dtype, grad.shape, kernels.shape, padding)
    if len(forms) > 1 and key not in _fastest and _may_compare(grad):
        works = [partial(form, grad, images, kernels, stride, padding) for form in forms]
        _fastest[key] = forms[fastest(works)]
    return _fastest.get(key, own)(grad, images, kernels, stride, padding)


def own(grad: Tensor, images: Tensor, kernels: Tensor, stride: int, padding: int) -> Tensor:
    """By what torch calls the backward pass of a convolution."""
    return _by_torch("images", grad, images, kernels, stride, padding)


def turned(grad: Tensor, images: Tensor, kernels: Tensor, stride: int, padding: int) -> Tensor:
    """By a convolution; at stride 1, and with less padding than the kernel is wide."""
    around = kernels.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
    return F.conv2d(grad, around, padding=kernels.shape[2] - 1 - padding)


def _by_torch(
    of: Literal["images", "kernels"], grad: Tensor, images: Tensor, kernels: Tensor, stride: int, padding: int
) -> Tensor:
    slopes: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        grad, images, kernels, None, (stride,) * 2, (padding,) * 2, (1, 1), False, (0, 0), 1,
        (of == "images", of == "kernels", False),
    )  # fmt: skip
    return slopes[0] if of == "images" else slopes[1]


def fastest(works: Sequence[Callable[[], object]]) -> int:
    """Which of these takes the least time on the current GPU stream."""
    return min(range(len(works)), key=lambda number: _milliseconds(works[number]))


def _milliseconds(work: Callable[[], object]) -> float:
    work()  # cuDNN's own search
    times = []
    for _ in range(REPEATS):
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        began.record()
        work()
        ended.record()
        ended.synchronize()
        times.append(float(began.elapsed_time(ended)))
    return median(times)


def _may_compare(grad: Tensor) -> bool:
    return grad.is_cuda and torch.backends.cudnn.benchmark and not torch.cuda.is_current_stream_capturing()
