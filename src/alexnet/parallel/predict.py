"""How long a step takes by each scheme: work, bytes and latency, from measured costs (costs.toml).

A model to choose by, not a promise: convolutions and fully connected layers by their multiply-adds, the update by the
parameters that a rank moves, messages by a ring's bytes and a latency each. Gradients that are ready early hide behind
the backward pass of the convolutions, which they slow down; activations hide behind nothing.
"""

import math
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from math import prod
from typing import Literal

from alexnet.lineages import Lineage, Row, totals, trace
from alexnet.lineages.spec import Linear, Norm
from alexnet.lineages.trace import fully_connected
from alexnet.parallel.towers import TOWERS, cuts, exchanges

Name = Literal["one process", "ddp", "ddp, sharded optimizer", "hybrid", "towers"]
BACKWARD = 2 / 3  # of the work of a convolution


@dataclass(frozen=True)
class Machine:
    """What things cost on one kind of processor; the fields are explained in costs.toml."""

    machine: str
    fused_conv: float
    plain_conv: float
    linear: float
    fixed: float
    update: float
    weight_read: float
    number_bytes: int
    send: float
    latency: float
    drag: float
    tower: float
    host_send: float
    host_latency: float
    host_size: int
    not_run: tuple[str, ...] = ()

    def message_s(self, sent: float, size: int, calls: int = 1) -> float:
        """Seconds for collectives over `size` ranks in which each sends `sent` bytes in all."""
        hosts = -(-size // self.host_size)
        if hosts == 1:
            return sent / self.send + calls * self.latency
        # A ring leaves a host by all of its network cards at once.
        rate = min(self.send, self.host_send * self.host_size)
        return sent / rate + calls * (self.latency + self.host_latency * math.ceil(math.log2(hosts)))


@dataclass(frozen=True)
class Prediction:
    """One scheme's step.

    Attributes:
        batch_size: of all ranks together.
        step_s: all of it.
        exposed_s: of that, waiting for messages.
        sent_bytes: by each rank.
    """

    scheme: Name
    batch_size: int
    size: int
    step_s: float
    exposed_s: float
    sent_bytes: float

    @property
    def images_per_s(self) -> float:
        return self.batch_size / self.step_s


@cache
def machine(device: str) -> Machine:
    """The costs of "cuda" or, for everything else, "cpu"."""
    table = tomllib.loads(files("alexnet.parallel").joinpath("costs.toml").read_text(encoding="utf-8"))
    known = {field.name for field in fields(Machine)}
    values = {key: value for key, value in table["cuda" if device == "cuda" else "cpu"].items() if key in known}
    return Machine(**{**values, "not_run": tuple(values["not_run"])})


def predictions(lineage: Lineage, batch_size: int, size: int, costs: Machine, is_fused: bool) -> list[Prediction]:
    """What each scheme that is possible would take, the fastest first.

    Args:
        lineage: the network.
        batch_size: of all ranks together.
        size: ranks.
        costs: of the machine.
        is_fused: whether networks, and parts of them, run on fused kernels; with a sharded optimizer they never do.
    """
    work = Work(lineage, costs)
    found = [work.ddp(batch_size, size, is_fused)]
    if size > 1:
        found.append(work.sharded(batch_size, size))
        if len(fully_connected(lineage)) > 1:
            found.append(work.shared(batch_size, size) if is_fused else work.hybrid(batch_size, size))
        if size == TOWERS and any(getattr(layer, "groups", 1) == TOWERS for layer in lineage.layers):
            found.append(work.towers(batch_size, is_fused))
    return sorted(found, key=lambda each: each.step_s)


class Work:
    """What a lineage's step consists of, at a machine's costs."""

    def __init__(self, lineage: Lineage, costs: Machine) -> None:
        self.lineage, self.costs = lineage, costs
        self.rows = trace(lineage)
        sums = totals(self.rows)
        self.conv_macs, self.fc_macs = sums.conv_macs, sums.macs - sums.conv_macs
        self.conv_params, self.fc_params = sums.conv_params, sums.params - sums.conv_params

    def ddp(self, batch_size: int, size: int, is_fused: bool) -> Prediction:
        """Whole copies; with one rank, one process."""
        costs, mine = self.costs, batch_size / size
        conv, rest = self._conv_s(mine, is_fused), self._fc_s(mine, 1)
        update = costs.update * (self.conv_params + self.fc_params)
        if size == 1:
            return Prediction("one process", batch_size, 1, conv + rest + update + costs.fixed, 0.0, 0.0)
        early, late = (self._sum_bytes(count, size) for count in (self.fc_params, self.conv_params))
        exposed = self._beside(costs.message_s(early, size, calls=2), conv) + costs.message_s(late, size)
        step = conv + rest + update + costs.fixed + exposed
        return Prediction("ddp", batch_size, size, step, exposed, early + late)

    def sharded(self, batch_size: int, size: int) -> Prediction:
        """Whole copies, each rank moving its own weights: plain modules, float32 weights on their way back."""
        costs, mine = self.costs, batch_size / size
        params = self.conv_params + self.fc_params
        conv = self._conv_s(mine, is_fused=False)
        there, back = self._sum_bytes(params, size) / 2, 4 * params * (size - 1) / size
        exposed = self._beside(costs.message_s(there, size, calls=3), conv) + costs.message_s(back, size, calls=3)
        step = conv + self._fc_s(mine, 1) + costs.update * params / size + costs.fixed + exposed
        return Prediction("ddp, sharded optimizer", batch_size, size, step, exposed, there + back)

    def hybrid(self, batch_size: int, size: int) -> Prediction:
        """Copies of the convolutions, parts of the fully connected layers, on plain modules."""
        costs = self.costs
        linear = [row for row in self.rows if isinstance(row.layer, Linear)]
        features = 2 * sum(prod(row.in_shape) for row in linear) + linear[-1].out_shape[0]
        sent = features * costs.number_bytes * batch_size * (size - 1) / size
        sums = self._sum_bytes(self.conv_params, size)
        exposed = costs.message_s(sent, size, calls=2 * len(linear) + 1) + costs.message_s(sums, size)
        work = self._conv_s(batch_size / size, is_fused=False) + self._fc_s(batch_size / size, size) + costs.fixed
        step = work + costs.update * (self.conv_params + self.fc_params / size) + exposed
        return Prediction("hybrid", batch_size, size, step, exposed, sent + sums)

    def shared(self, batch_size: int, size: int) -> Prediction:
        """The same on fused kernels, where units of the first two fully connected layers are shared: fast/shared.py."""
        costs, mine = self.costs, batch_size / size
        first, second = [row for row in self.rows if isinstance(row.layer, Linear)][:2]
        parts = first.params + second.params
        features = 2 * (prod(first.in_shape) + second.out_shape[0])
        sent = features * costs.number_bytes * batch_size * (size - 1) / size
        conv, left = self._conv_s(mine, is_fused=True), self.fc_params - parts
        early, late = self._sum_bytes(left, size), self._sum_bytes(self.conv_params, size)
        exposed = costs.message_s(sent + late, size, calls=7) + self._beside(costs.message_s(early, size), conv)
        reading = costs.weight_read * (parts / size + left)
        update = costs.update * (self.conv_params + left + parts / size)
        step = conv + mine * self.fc_macs * costs.linear + reading + update + costs.fixed + exposed
        return Prediction("hybrid", batch_size, size, step, exposed, sent + early + late)

    def towers(self, batch_size: int, is_fused: bool) -> Prediction:
        """Half of every layer on each of two ranks."""
        costs = self.costs
        numbers, calls = self._tower_messages(is_fused)
        sent = numbers * costs.number_bytes * batch_size
        exposed = costs.message_s(sent, TOWERS, calls)
        conv = self._conv_s(batch_size, is_fused) * (costs.tower if is_fused else 1 / TOWERS)
        work = conv + self._fc_s(batch_size, 1) / TOWERS
        step = work + costs.update * (self.conv_params + self.fc_params) / TOWERS + costs.fixed + exposed
        return Prediction("towers", batch_size, TOWERS, step, exposed, sent)

    def _tower_messages(self, is_fused: bool) -> tuple[float, int]:
        """Numbers of one picture that a tower sends in a step, and in how many messages; fused: see shared.py."""
        talks, cut = exchanges(self.lineage), cuts(self.lineage)
        # Kernels of the first layer go over in place of its channels, too few to count.
        other = {*cut, self.rows[1].layer.name} if is_fused else set()
        gathered = [row for row in self.rows if row.layer.name in talks and row.layer.name not in other]
        numbers = [2 * _exchanged(row, talks[row.layer.name]) for row in gathered]
        if not is_fused:
            return sum(numbers) + self.lineage.num_classes / TOWERS, 2 * len(numbers) + 1
        sums = [
            prod(row.out_shape if by == "inputs" else row.in_shape)
            for row in self.rows
            if (by := cut.get(row.layer.name))
        ]
        return sum(numbers) + sum(sums), 2 * len(numbers) + len(sums)

    def _beside(self, message_s: float, conv_s: float) -> float:
        """What a step loses to messages that go on beside the convolutions' backward pass."""
        hidden = min(message_s, BACKWARD * conv_s)
        return message_s - hidden + self.costs.drag * hidden

    def _conv_s(self, pictures: float, is_fused: bool) -> float:
        each = self.costs.fused_conv if is_fused else self.costs.plain_conv
        return pictures * self.conv_macs * each

    def _fc_s(self, pictures: float, parts: int) -> float:
        return pictures * self.fc_macs * self.costs.linear + self.fc_params / parts * self.costs.weight_read

    def _sum_bytes(self, count: float, size: int) -> float:
        return 2 * (size - 1) / size * count * self.costs.number_bytes


def _exchanged(row: Row, kind: str) -> float:
    """Numbers of one picture that a tower sends before a row, forward."""
    if kind == "border":
        assert isinstance(row.layer, Norm)
        return row.layer.size // 2 * prod(row.in_shape[1:])
    return prod(row.in_shape) / TOWERS
