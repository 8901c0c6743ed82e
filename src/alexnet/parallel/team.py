"""The processes that train one network together, and what they say to each other.

Every function here is a collective: all ranks call it, in the same order. A process alone is a team of one.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from alexnet.errors import UsageError

# torch 2.13 calls by new names what 2.10 to 2.12 have under the old ones.
_all_gather: Any = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
_reduce_scatter: Any = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor


@dataclass
class Traffic:
    """What this process has sent, where every collective goes around in a ring: the least that any way needs."""

    bytes: float = 0.0
    calls: int = 0

    def add(self, sent: float) -> None:
        self.bytes += sent
        self.calls += 1


@dataclass(frozen=True, eq=False)
class Team:
    """The processes of a run.

    Attributes:
        rank: of this process; 0 speaks and writes.
        local_rank: within this machine.
        restarts: how often all of them were started anew after a failure.
        traffic: of tensors between devices, so far; what goes by way of the host is not counted.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    restarts: int = 0
    traffic: Traffic = field(default_factory=Traffic)

    @property
    def is_alone(self) -> bool:
        return self.size == 1

    @property
    def speaks(self) -> bool:
        """Whether this process prints and writes files."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """The device of this process where the user asked for `name`: each rank of a machine has a GPU of its own.

        Raises:
            UsageError: one GPU was named for several processes.
        """
        if self.is_alone or name in ("cpu", "mps"):
            return name
        if name.startswith("cuda:"):
            raise UsageError(f"device {name} is one GPU, and there are {self.size} processes. Give --device cuda.")
        return f"cuda:{self.local_rank}" if name == "cuda" or torch.cuda.is_available() else name

    def start_sum(self, tensor: Tensor) -> dist.Work:
        """Begin to add up the ranks' tensors, in place."""
        self.traffic.add(2 * self._others * tensor.nbytes)
        work: dist.Work = dist.all_reduce(tensor, async_op=True)
        return work

    def start_scatter(self, mine: Tensor, tensor: Tensor) -> dist.Work:
        """Begin to add up the ranks' tensors and to fill `mine` with this rank's part of the sum."""
        self.traffic.add(self._others * tensor.nbytes)
        work: dist.Work = _reduce_scatter(mine, tensor, async_op=True)
        return work

    def start_gather(self, everyone: Tensor, mine: Tensor) -> dist.Work:
        """Begin to fill `everyone` with the ranks' tensors, one behind the other."""
        self.traffic.add(self._others * everyone.nbytes)
        work: dist.Work = _all_gather(everyone, mine, async_op=True)
        return work

    @property
    def _others(self) -> float:
        return (self.size - 1) / self.size

    def sum(self, tensor: Tensor) -> Tensor:
        """Add up the ranks' tensors, in place."""
        if not self.is_alone:
            dist.all_reduce(tensor)
        return tensor

    def total(self, *counts: float) -> tuple[float, ...]:
        """Each number summed over the ranks, by way of the host."""
        return tuple(self.sum(torch.tensor(counts, dtype=torch.float64)).tolist())

    def largest(self, *numbers: int) -> tuple[int, ...]:
        """Each number's maximum over the ranks, by way of the host."""
        values = torch.tensor(numbers, dtype=torch.int64)
        if not self.is_alone:
            dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return tuple(values.tolist())

    def broadcast(self, tensor: Tensor, source: int = 0) -> Tensor:
        """Give every rank, in place, what `source` has."""
        if not self.is_alone:
            dist.broadcast(tensor, source)
        return tensor

    def collect(self, thing: Any) -> list[Any]:
        """The ranks' things, in the order of ranks; anything that JSON holds, by way of the host."""
        if self.is_alone:
            return [thing]
        data = torch.frombuffer(bytearray(json.dumps(thing).encode()), dtype=torch.uint8)
        length = self.largest(len(data))[0]
        padded = torch.full((length,), ord(" "), dtype=torch.uint8)
        padded[: len(data)] = data
        gathered = torch.empty(self.size * length, dtype=torch.uint8)
        _all_gather(gathered, padded)
        return [json.loads(part.numpy().tobytes()) for part in gathered.view(self.size, length)]

    def wait(self) -> None:
        """Wait until every rank is here."""
        self.largest(0)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Rank 0 does the block, and the others do it after that: they find its files."""
        if not self.speaks:
            self.wait()
        yield
        if self.speaks:
            self.wait()


ALONE = Team()
