"""Maps and features on their way between ranks that hold parts of one layer, forward and, summed, backward.

B images, C channels or features; parts are cut along axis 1 unless rows are meant.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from alexnet.data.loader import share
from alexnet.parallel.team import Team


def gather(part: Tensor, width: int, team: Team, *, is_shared: bool) -> Tensor:
    """The whole of which each rank has a share along axis 1: (B, width, ...), with the ranks' shares in order.

    Args:
        part: (B, C, ...), this rank's share.
        width: channels or features in all.
        team: the ranks.
        is_shared: each rank goes on with a part of what follows, so that the gradients of all have to be added up; if
            not, all do the same and each has the whole gradient already.
    """
    whole: Tensor = _Gather.apply(part, width, team, is_shared)  # type: ignore[no-untyped-call]
    return whole


def border(part: Tensor, reach: int, team: Team) -> Tensor:
    """The `reach` channels of the other of two towers that lie next to this one's: (B, reach, ...)."""
    halo: Tensor = _Border.apply(part, reach, team)  # type: ignore[no-untyped-call]
    return halo


Coming = Callable[[], Tensor]
"""A tensor under way: call it to wait."""


def gather_rows(rows: Tensor, counts: Sequence[int], team: Team) -> Coming:
    """All ranks' rows, in the order of ranks; rank r has `counts[r]` of them. Not differentiable."""
    most = max(counts)
    padded = rows
    if len(rows) < most:
        padded = rows.new_zeros((most, *rows.shape[1:]))
        padded[: len(rows)] = rows
    everyone = rows.new_empty((team.size * most, *rows.shape[1:]))
    work = team.start_gather(everyone, padded.contiguous())

    def arrived() -> Tensor:
        work.wait()
        if min(counts) == most:
            return everyone
        return torch.cat([everyone[rank * most : rank * most + count] for rank, count in enumerate(counts)])

    return arrived


def sum_rows(rows: Tensor, counts: Sequence[int], team: Team) -> Coming:
    """Of rows that every rank has in full: this rank's `counts[rank]`, summed over the ranks."""
    most = max(counts)
    padded = rows
    if min(counts) < most:
        padded = rows.new_zeros((team.size * most, *rows.shape[1:]))
        for rank, part in enumerate(torch.split(rows, list(counts))):
            padded[rank * most : rank * most + len(part)] = part
    mine = rows.new_empty((most, *rows.shape[1:]))
    work = team.start_scatter(mine, padded.contiguous())

    def arrived() -> Tensor:
        work.wait()
        return mine[: counts[team.rank]]

    return arrived


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, width: int, team: Team, is_shared: bool) -> Tensor:
        ctx.width, ctx.team, ctx.is_shared = width, team, is_shared
        # Rows of a transposed tensor: each rank's channels lie together, which is how tensors travel.
        whole = gather_rows(part.transpose(0, 1).contiguous(), _counts(width, team), team)()
        return whole.transpose(0, 1).contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        team, width = ctx.team, ctx.width
        if not ctx.is_shared:
            return grad[:, share(width, team.rank, team.size)].contiguous(), None, None, None
        mine = sum_rows(grad.transpose(0, 1).contiguous(), _counts(width, team), team)()
        return mine.transpose(0, 1).contiguous(), None, None, None


class _Border(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, reach: int, team: Team) -> Tensor:
        ctx.shape, ctx.reach, ctx.team = part.shape, reach, team
        return _swap(part[:, _edge(reach, team)], team)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        mine = grad.new_zeros(ctx.shape)
        mine[:, _edge(ctx.reach, ctx.team)] = _swap(grad, ctx.team)
        return mine, None, None


def _counts(width: int, team: Team) -> list[int]:
    shares = [share(width, rank, team.size) for rank in range(team.size)]
    return [part.stop - part.start for part in shares]


def _edge(reach: int, team: Team) -> slice:
    """The channels next to the other tower: the last ones of the first, the first ones of the second."""
    return slice(0, reach) if team.rank else slice(-reach, None)


def _swap(tensor: Tensor, team: Team) -> Tensor:
    """What the other of two ranks has."""
    assert team.size == 2, team.size
    both = tensor.new_empty((2, *tensor.shape))
    team.start_gather(both, tensor.contiguous()[None]).wait()
    return both[1 - team.rank]
