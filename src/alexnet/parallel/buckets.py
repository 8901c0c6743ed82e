"""Gradients on their way: a few flat buffers, filled while the backward pass works and summed behind its back.

The pass reaches the fully connected layers first, and they hold 96 % of AlexNet's numbers: while the convolutions are
still at work, nearly all of the bytes are under way.
"""

from collections.abc import Collection, Mapping
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn

from alexnet.parallel.team import Team

# One bucket of fc8 and fc7, one of fc6, one of all convolutions: fewer waste the overlap, more pay latency for little.
LEAST_NUMBERS = 16 * 2**20


class Bucket:
    """Gradients that travel together, summed over the ranks; in the end each rank has all of them, or its part alone.

    Args:
        parameters: in the order in which the backward pass gets to them.
        team: who sums.
        wire: what numbers travel as; the parameters' own dtype, or bfloat16 for half of the bytes.
        is_scattered: each rank gets an equal part of the sum, and not all of it.

    Attributes:
        numel: numbers in it, with the zeros that make it divisible.
        places: where each parameter lies in it.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], team: Team, wire: torch.dtype | None, is_scattered: bool
    ) -> None:
        self.parameters, self.team, self.is_scattered = dict(parameters), team, is_scattered
        self.shapes = {name: parameter.shape for name, parameter in parameters.items()}
        self.places: dict[str, slice] = {}
        end = 0
        for name, parameter in self.parameters.items():
            self.places[name] = slice(end, end + parameter.numel())
            end += parameter.numel()
        self.numel = -(-end // team.size) * team.size
        first = next(iter(self.parameters.values()))
        self.flat = torch.zeros(self.numel, dtype=wire or first.dtype, device=first.device)
        self.part = torch.zeros(
            self.numel // team.size if is_scattered else 0, dtype=self.flat.dtype, device=first.device
        )
        self.missing = set(self.parameters)
        self._work: dist.Work | None = None

    def take(self, name: str, grad: Tensor | None) -> None:
        """Pack one gradient; None is one of zeros."""
        place = self.flat[self.places[name]].view(self.shapes[name])
        if grad is None:
            place.zero_()
        else:
            place.copy_(grad)
        self.missing.discard(name)

    def launch(self) -> None:
        """Begin to sum; who has no gradient has zeros."""
        for name in list(self.missing):
            self.take(name, None)
        if self.is_scattered:
            self._work = self.team.start_scatter(self.part, self.flat)
        else:
            self._work = self.team.start_sum(self.flat)

    def reset(self) -> None:
        """Be empty again."""
        self._work, self.missing = None, set(self.parameters)

    def finish(self) -> Tensor:
        """Wait for the sum, and return it in the dtype of the wire: all of it, or this rank's part."""
        assert self._work is not None, "launched first"
        self._work.wait()
        self.reset()
        return self.part if self.is_scattered else self.flat


class Reduction:
    """All buckets of a network: hooks fill them, and each leaves as soon as it is full, in the same order on all ranks.

    Args:
        parameters: in the order of the layers.
        team: who sums.
        wire: see `Bucket`.
        is_scattered: see `Bucket`.
        least: numbers that make a bucket large enough.
        elsewhere: see `Exchange`.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        team: Team,
        wire: torch.dtype | None = None,
        is_scattered: bool = False,
        least: int = LEAST_NUMBERS,
        elsewhere: Collection[str] = (),
    ) -> None:
        self.buckets = [
            Bucket({name: parameters[name] for name in names}, team, wire, is_scattered)
            for names in bucket_names({name: p.shape for name, p in parameters.items()}, least)
        ]
        self.team, self.elsewhere = team, elsewhere
        self._home = {name: bucket for bucket in self.buckets for name in bucket.places}
        self._launched = 0

    @property
    def names(self) -> Collection[str]:
        """The parameters whose gradients it adds up."""
        return self._home.keys()

    def total(self, number: Tensor) -> Tensor:
        """A number added up over the ranks, on its device."""
        return self.team.sum(number)

    def hook(self) -> None:
        """Let autograd bring the gradients of the parameters as they come."""
        for name, bucket in self._home.items():
            bucket.parameters[name].register_post_accumulate_grad_hook(partial(self._accumulated, name))  # type: ignore[no-untyped-call]

    def _accumulated(self, name: str, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self.arrived(name, parameter.grad)
        parameter.grad = None

    def arrived(self, name: str, grad: Tensor) -> None:
        """Take a gradient, and send off what is complete."""
        self._home[name].take(name, grad)
        while self._launched < len(self.buckets) and not self.buckets[self._launched].missing:
            self._launch_next()

    def _launch_next(self) -> None:
        self.buckets[self._launched].launch()
        self._launched += 1

    def sums(self) -> list[Tensor]:
        """The sum of each bucket, once every rank has had its say; buckets that nobody filled leave with zeros."""
        while self._launched < len(self.buckets):
            self._launch_next()
        self._launched = 0
        return [bucket.finish() for bucket in self.buckets]

    def finish(self) -> dict[str, Tensor]:
        """The sum of each gradient, by the parameter's name."""
        flats = self.sums()
        return {
            name: flat[place].view(bucket.shapes[name])
            for bucket, flat in zip(self.buckets, flats, strict=True)
            for name, place in bucket.places.items()
        }

    def reset(self) -> None:
        """Forget what has arrived, and what is under way."""
        self._launched = 0
        for bucket in self.buckets:
            bucket.reset()

    def agree(self, is_ready: bool) -> bool:
        """Whether all ranks are ready."""
        return not self.team.largest(int(not is_ready))[0]


def bucket_names(shapes: Mapping[str, tuple[int, ...]], least: int = LEAST_NUMBERS) -> list[list[str]]:
    """Which parameters travel together: from the last layer to the first, a bucket once `least` numbers are reached.

    Convolutions never share a bucket with fully connected layers: it would leave later than these could.
    """
    buckets: list[list[str]] = []
    size, was_matrix = least, True
    for layer in reversed(list(dict.fromkeys(name.rpartition(".")[0] for name in shapes))):
        names = [name for name in shapes if name.rpartition(".")[0] == layer]
        is_matrix = max(len(shapes[name]) for name in names) <= 2
        if size >= least or is_matrix != was_matrix:
            buckets.append([])
            size = 0
        buckets[-1] += names
        size += sum(torch.Size(shapes[name]).numel() for name in names)
        was_matrix = is_matrix
    return buckets
