"""Data parallel: every rank has the whole network and a share of each batch; gradients are summed.

With `is_sharded` each rank moves its part of the weights alone: gradients are scattered to the owners, moved weights
come back. The same bytes, and the update, with its velocities, costs each rank a part of the time and the memory.
"""

from collections.abc import Iterable, Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn

from alexnet.parallel.buckets import LEAST_NUMBERS, Bucket, Reduction
from alexnet.parallel.scheme import Loss, Scheme
from alexnet.parallel.shares import Stretches
from alexnet.parallel.team import Team


class DataParallel(Scheme):
    """Copies of the network that stay equal.

    Args:
        wire: what gradients travel as, None is as they are.
    """

    name = "ddp"
    is_scattered = False

    def __init__(
        self,
        net: nn.Module,
        module: nn.Module,
        parameters: Mapping[str, nn.Parameter],
        team: Team,
        *,
        wire: torch.dtype | None = None,
        least: int = LEAST_NUMBERS,
    ) -> None:
        super().__init__(net, module, parameters, team)
        self.reduction = Reduction(self.parameters, team, wire, is_scattered=self.is_scattered, least=least)
        self._is_hooked = False
        self._share_out()

    def _share_out(self) -> None:
        """Decide which weights this rank moves: here all of them."""

    def exchange(self) -> Reduction:
        return self.reduction

    def gradients(self, inputs: Tensor, labels: Tensor, loss_of: Loss, batch_size: int) -> Tensor:
        if not self._is_hooked:
            self.reduction.hook()
            self._is_hooked = True
        # The last batch of an epoch may be smaller than the team.
        is_here = len(inputs) > 0
        loss = super().gradients(inputs, labels, loss_of, batch_size) if is_here else inputs.new_zeros(())
        self._receive()
        return loss

    def _receive(self) -> None:
        for name, grad in self.reduction.finish().items():
            self.parameters[name].grad = grad.to(self.parameters[name].dtype)


class ShardedDataParallel(DataParallel):
    """Copies of the network whose weights are moved by one owner each."""

    name = "ddp, sharded optimizer"
    is_scattered = True

    def _share_out(self) -> None:
        self._learners, rank = self.parameters, self.team.rank
        self._weights = [_flattened(bucket) for bucket in self.reduction.buckets]
        self.stretches = Stretches({
            name: tuple(_within(place, _part(bucket, owner)) for owner in range(self.team.size))
            for bucket in self.reduction.buckets
            for name, place in bucket.places.items()
        })  # fmt: skip
        self.parameters = {
            name: nn.Parameter(self.stretches.cut(name, p.detach(), rank))
            for name, p in self._learners.items()
            if self.stretches.of[name][rank][0] < self.stretches.of[name][rank][1]
        }

    def learners(self) -> Iterable[nn.Parameter]:
        return self._learners.values()

    def _receive(self) -> None:
        for bucket, part in zip(self.reduction.buckets, self.reduction.sums(), strict=True):
            mine = _part(bucket, self.team.rank)
            for name, place in bucket.places.items():
                if name in self.parameters:
                    begin, end = self.stretches.of[name][self.team.rank]
                    first = place.start + begin - mine.start
                    self.parameters[name].grad = part[first : first + end - begin].to(self.parameters[name].dtype)

    def spread(self) -> None:
        # The first layers come first: the next pass begins with them.
        works: list[dist.Work] = []
        for bucket, flat in reversed(list(zip(self.reduction.buckets, self._weights, strict=True))):
            works.append(self.team.start_gather(flat, flat[_part(bucket, self.team.rank)].clone()))
        for work in works:
            work.wait()

    def assemble(self) -> None:
        """Nothing to do: every step ends with whole weights."""


def _flattened(bucket: Bucket) -> Tensor:
    """Move a bucket's weights into one flat tensor, in the order of its gradients; the parameters become its parts."""
    first = next(iter(bucket.parameters.values()))
    flat = torch.zeros(bucket.numel, dtype=first.dtype, device=first.device)
    for name, parameter in bucket.parameters.items():
        part = flat[bucket.places[name]].view_as(parameter)
        part.copy_(parameter.detach())
        parameter.data = part
    return flat


def _part(bucket: Bucket, rank: int) -> slice:
    each = bucket.numel // bucket.team.size
    return slice(rank * each, (rank + 1) * each)


def _within(place: slice, part: slice) -> tuple[int, int]:
    """What `part` of a bucket covers of the parameter at `place`, counted from the parameter's begin."""
    begin, end = max(place.start, part.start), min(place.stop, part.stop)
    return (begin - place.start, end - place.start) if begin < end else (0, 0)
