"""Features on their way between processes that hold parts of a network, forward and, summed, backward.

B pictures, F features of a part, N parts. Inside a captured step a message takes 8 to 45 us, so nothing is copied that
need not be.
"""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Work(Protocol):
    """A message under way."""

    def wait(self) -> object: ...


class Link(Protocol):
    """The processes that hold the parts, as one of them sees them."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def start_sum(self, tensor: Tensor) -> Work:
        """Begin to add up the processes' tensors, in place."""
        ...

    def start_gather(self, everyone: Tensor, mine: Tensor) -> Work:
        """Begin to fill `everyone` with the processes' tensors, one behind the other."""
        ...

    def start_scatter(self, mine: Tensor, tensor: Tensor) -> Work:
        """Begin to add up the processes' tensors and to fill `mine` with this one's part of the sum."""
        ...


def gathered(part: Tensor, link: Link) -> Tensor:
    """The features (B, F) of all, side by side; all do the same with them, so that each has the whole gradient."""
    whole: Tensor = _Gathered.apply(part, link)  # type: ignore[no-untyped-call]
    return whole


def gathered_rows(rows: Tensor, link: Link) -> Tensor:
    """The rows of all (N * B, F), of which each process goes on with all."""
    whole: Tensor = _GatheredRows.apply(rows, link)  # type: ignore[no-untyped-call]
    return whole


def summed_rows(rows: Tensor, link: Link) -> Tensor:
    """This process's (B, F) of rows (N * B, F) that are added up over all."""
    mine: Tensor = _SummedRows.apply(rows, link)  # type: ignore[no-untyped-call]
    return mine


def summed(parts: Tensor, link: Link) -> Tensor:
    """The sum over all, with which all go on alike, so that each has the whole gradient already; `parts` is used up."""
    whole: Tensor = _Summed.apply(parts, link)  # type: ignore[no-untyped-call]
    return whole


def shared(whole: Tensor, link: Link) -> Tensor:
    """The same tensor, which all have and each goes on with in its own way: their gradients are added up."""
    same: Tensor = _Shared.apply(whole, link)  # type: ignore[no-untyped-call]
    return same


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, link: Link) -> Tensor:
        ctx.link = link
        return torch.cat(tuple(everyone(part, link)), dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return grad.chunk(ctx.link.size, dim=1)[ctx.link.rank], None


class _GatheredRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, link: Link) -> Tensor:
        ctx.link = link
        return everyone(rows, link).flatten(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _own(_by_process(grad, ctx.link), ctx.link), None


class _SummedRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, link: Link) -> Tensor:
        ctx.link = link
        return _own(_by_process(rows, link), link)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return everyone(grad, ctx.link).flatten(0, 1), None


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parts: Tensor, link: Link) -> Tensor:
        ctx.mark_dirty(parts)
        return _total(parts, link)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return grad, None


class _Shared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, whole: Tensor, link: Link) -> Tensor:
        ctx.link = link
        return whole.view_as(whole)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _total(grad, ctx.link), None


def everyone(mine: Tensor, link: Link) -> Tensor:
    """(N, ...) of what each process has."""
    whole = mine.new_empty((link.size * len(mine), *mine.shape[1:]))
    link.start_gather(whole, mine.contiguous()).wait()
    return whole.view(link.size, *mine.shape)


class Swap:
    """Two processes' tensors on their way to each other, from now on."""

    def __init__(self, mine: Tensor, link: Link) -> None:
        self._both, self._other = mine.new_empty(2, *mine.shape), 1 - link.rank
        self._work = link.start_gather(self._both.flatten(0, 1), mine.contiguous())

    def other(self) -> Tensor:
        """What the other had."""
        self._work.wait()
        return self._both[self._other]


def _own(parts: Tensor, link: Link) -> Tensor:
    """This process's of (N, B, ...), added up over all."""
    mine = parts.new_empty(parts.shape[1:])
    link.start_scatter(mine, parts.flatten(0, 1)).wait()
    return mine


def _total(parts: Tensor, link: Link) -> Tensor:
    """The sum over all, in place of what a product has just made for nobody else."""
    assert parts.is_contiguous()
    link.start_sum(parts).wait()
    return parts


def _by_process(rows: Tensor, link: Link) -> Tensor:
    return rows.contiguous().view(link.size, len(rows) // link.size, *rows.shape[1:])
