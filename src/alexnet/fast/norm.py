"""The norm of a step's gradient: squares are added up as gradients come, and cutting costs one short kernel more."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

SIZE = 4096
PROGRAMS = 1024  # a few for each processor of a large GPU; each leaves a number to add up


class Squares:
    """Squares the gradients of some parameters one by one, as they come."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self._places, end = {}, 0
        for name, parameter in parameters.items():
            self._places[name] = slice(end, end := end + _programs(parameter.numel()))
        self._parts = next(iter(parameters.values())).new_zeros(end, dtype=torch.float32)
        self._left, self._waiting = set(self._places), dict[str, Tensor]()

    def arrived(self, name: str, grad: Tensor) -> None:
        """Take the gradient of a parameter, in the middle of the backward pass."""
        self._waiting[name] = grad
        self._left.discard(name)
        if grad.ndim > 1 and self._left:  # a bias goes with the next weight, the last of all with the sum
            self._square()

    def finish(self) -> Tensor:
        """Numbers whose sum is that of all squares, float32; the next step writes over them."""
        self._square()
        self._left = set(self._places)
        return self._parts

    def _square(self) -> None:
        for name, grad in self._waiting.items():
            _square(grad, self._parts[self._places[name]])
        self._waiting = {}


def squares(grads: Sequence[Tensor]) -> Tensor:
    """The sum of the squares of all numbers, () float32."""
    return _parts(grads).sum()


def share_left(grads: Sequence[Tensor], limit: float) -> Tensor:
    """By how much gradients have to shrink for their common norm to be `limit`, at most 1: () float32 on their device.

    As `torch.nn.utils.clip_grad_norm_`, without waiting for the device.
    """
    return share_of(_parts(grads), limit)


def share_of(parts: Tensor, limit: float) -> Tensor:
    """What is left where the sum of squares of the whole gradient is the sum of these numbers."""
    from alexnet.fast import pointwise

    share = parts.new_empty(())
    pointwise.share_of[(1,)](parts, share, parts.numel(), limit, SIZE=SIZE, num_warps=8)
    return share


def _parts(grads: Sequence[Tensor]) -> Tensor:
    counts = [_programs(grad.numel()) for grad in grads]
    parts = grads[0].new_empty(sum(counts), dtype=torch.float32)
    for grad, part in zip(grads, torch.split(parts, counts), strict=True):
        _square(grad, part)
    return parts


def _programs(count: int) -> int:
    return -(-count // (SIZE * _rounds(count)))


def _rounds(count: int) -> int:
    return -(-count // (SIZE * PROGRAMS))


def _square(grad: Tensor, parts: Tensor) -> None:
    """Write the sum of squares in parts, in any order of the numbers."""
    from alexnet.fast import pointwise

    is_last = grad.ndim == 4 and grad.is_contiguous(memory_format=torch.channels_last)
    grad, rounds = grad if is_last else grad.contiguous(), _rounds(grad.numel())
    pointwise.square[(len(parts),)](grad, parts, grad.numel(), rounds, SIZE=SIZE, num_warps=8)
