"""Steps of training that several processes share: every scheme beside one process, and beside torch's own DDP.

All ranks call these functions together; the figures are rank 0's, of steps that all ranks make in step.
"""

import gc
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
from torch.nn.parallel import DistributedDataParallel

from alexnet.bench.clock import Work, by_clock, measure, on_gpu
from alexnet.bench.peers import autocast, plain_build, usual_precision
from alexnet.bench.synthetic import fitting, synthetic
from alexnet.bench.training import our_training
from alexnet.data.loader import share_of_batch
from alexnet.fast import FastNet
from alexnet.fast.graph import cudnn_searches
from alexnet.inference.machine import machine
from alexnet.lineages import Lineage, find
from alexnet.model import AlexNet
from alexnet.parallel.choose import Options, make_scheme
from alexnet.parallel.scheme import Scheme
from alexnet.parallel.team import Team
from alexnet.train.engine import engine, part_engine
from alexnet.train.fused import FusedStep
from alexnet.train.recipe import MODERN
from alexnet.train.stage import Examples
from alexnet.train.step import Step, make_step

SCHEMES: Mapping[str, Options] = {
    "ddp": Options("ddp"),
    "ddp, float32 on the wire": Options("ddp", wire="float32"),
    "ddp, sharded optimizer": Options("ddp", is_sharded=True),
    "hybrid a": Options("hybrid", turns="a"),
    "hybrid c": Options("hybrid", turns="c"),
    "towers": Options("towers"),
}
PEERS = ("torch DDP", "torch DDP, bfloat16 on the wire", "torch DDP, compiled")
SIZES = tuple(2**power for power in range(12, 29, 4))  # bytes


@dataclass(frozen=True)
class SharedStep:
    """How fast one contender is.

    Attributes:
        global_batch: pictures of a step, over all processes.
        images_per_s: over all processes, of the median step.
        efficiency: that, over as many times the rate of one process on a batch as large as each one's part.
        speedup: over the rate of one process on the whole batch; None where that was not measured.
        exposed_ms: how much longer a step is than one process's on its part alone; the whole cost of working together.
        sum_ms: the sums of all gradients, with nothing else going on.
        sent_mb: by each process in a step.
        collectives: in a step.
    """

    who: str
    lineage: str
    processes: int
    global_batch: int
    images_per_s: float = 0.0
    median_ms: float = 0.0
    best_ms: float = 0.0
    spread: float = 0.0
    repeats: int = 0
    efficiency: float | None = None
    speedup: float | None = None
    exposed_ms: float | None = None
    sum_ms: float | None = None
    sent_mb: float | None = None
    collectives: int | None = None
    error: str | None = None


def contenders(lineage: Lineage, team: Team, device: torch.device, with_compiled: bool = False) -> list[str]:
    """Who can be measured here."""
    has_towers = any(getattr(row, "groups", 1) > 1 for row in lineage.layers)
    ours = [name for name in SCHEMES if name != "towers" or (has_towers and team.size == 2)]
    if device.type == "cuda":
        ours.insert(1, "ddp (sums between two graphs)")
    peers = [name for name in PEERS if with_compiled or "compiled" not in name]
    return [*ours, *(peers if device.type == "cuda" else peers[:1])]


def bench_shared(
    lineage: str, batch_size: int, team: Team, device: torch.device, *, with_compiled: bool, seconds: float
) -> dict[str, Any]:
    """All figures of one batch, as `alexnet bench train --parallel --json` prints them."""
    table = find(lineage)
    sizes = list(collectives(team, device))
    names = contenders(table, team, device, with_compiled)
    figures = [asdict(step) for step in shared_steps(table, batch_size, team, device, names, seconds)]
    return {
        "task": "train",
        "lineage": lineage,
        "processes": team.size,
        "global_batch": batch_size,
        "figures": figures,
        "collectives": sizes,
        "machine": machine(),
    }


def shared_steps(
    lineage: Lineage, global_batch: int, team: Team, device: torch.device, contenders: list[str], seconds: float
) -> Iterator[SharedStep]:
    """Measure one process on a part of the batch and on all of it, then the contenders, on synthetic pictures."""
    blank = SharedStep("", lineage.name, team.size, global_batch)
    mine = share_of_batch(global_batch, team.rank, team.size)
    builds: dict[str, Callable[[], Work]] = {
        "one process, its part": partial(_one, lineage, mine.stop - mine.start, device),
        "one process, the whole batch": partial(_one, lineage, global_batch, device),
    }
    found: dict[str, SharedStep] = {}
    for who in (*builds, *contenders):
        build = builds.get(who) or partial(step_of, who, lineage, global_batch, team, device)
        step = replace(blank, who=who, **_timed(build, global_batch, team, device, seconds))
        if who == "one process, its part":
            step = replace(step, images_per_s=step.images_per_s * (mine.stop - mine.start) / global_batch)
        found[who] = _compared(step, *list(found.values())[:2]) if who not in builds else step
        yield found[who]


def _compared(step: SharedStep, part: SharedStep, whole: SharedStep) -> SharedStep:
    if step.error or part.error:
        return step
    return replace(
        step,
        efficiency=round(step.images_per_s / (step.processes * part.images_per_s), 3),
        speedup=None if whole.error else round(step.images_per_s / whole.images_per_s, 3),
        exposed_ms=round(step.median_ms - part.median_ms, 4),
    )


def _timed(
    build: Callable[[], "Work | Shared"], global_batch: int, team: Team, device: torch.device, seconds: float
) -> dict[str, Any]:
    """Build and measure; all ranks make as many steps as the slowest wants to."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    try:
        with cudnn_searches():
            work = build()
            extra = work.extra() if isinstance(work, Shared) else {}
            typical = statistics.median(measure(work, device, 0.0))
            (repeats,) = team.largest(max(10, int(1e3 * seconds / typical)))
            team.wait()
            once = on_gpu if device.type == "cuda" else by_clock
            times = [once(work) for _ in range(repeats)]
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0][:300] if str(error) else ''}"}
    median = statistics.median(times)
    return {
        "images_per_s": round(1e3 * global_batch / median, 1),
        "median_ms": round(median, 4),
        "best_ms": round(min(times), 4),
        "spread": round((max(times) - min(times)) / median, 3),
        "repeats": len(times),
        **extra,
    }


class Shared:
    """A step of ours that a team makes, and what it sends."""

    def __init__(self, scheme: Scheme, step: Step, examples: Examples) -> None:
        self.scheme, self.step, self.examples = scheme, step, examples

    def __call__(self) -> object:
        return self.step(self.examples, 0.01, 0)

    def extra(self) -> dict[str, Any]:
        """Bytes and collectives of a step, and how long the sums of gradients take alone."""
        examples, traffic = self.examples, self.scheme.team.traffic
        self()
        before = (traffic.bytes, traffic.calls)
        step = self.step.eager if isinstance(self.step, FusedStep) else self.step
        step(examples, 0.01, 0)
        sent, calls = traffic.bytes - before[0], traffic.calls - before[1]
        found: dict[str, Any] = {"sent_mb": round(sent / 1e6, 3), "collectives": calls}
        reduction = self.scheme.exchange()
        if reduction is not None:
            times = measure(reduction.sums, self.examples.inputs.device, 0.0)
            found["sum_ms"] = round(statistics.median(times), 4)
        return found


def _one(lineage: Lineage, batch_size: int, device: torch.device) -> Work:
    return our_training(lineage, *synthetic(lineage, batch_size, device))


def step_of(who: str, lineage: Lineage, global_batch: int, team: Team, device: torch.device) -> Work:
    """A contender's step; without a name, one process's on the whole batch."""
    if not who:
        return _one(lineage, global_batch, device)
    if who in PEERS:
        return _peer(who, lineage, global_batch, team, device)
    name, _, kind = who.partition(" (")
    options = replace(SCHEMES[name], is_low_precision=device.type == "cuda")
    torch.manual_seed(0)
    net = AlexNet(lineage).to(device)
    for parameter in net.parameters():
        team.broadcast(parameter.detach())
    scheme, _ = make_scheme(
        net, team, options, global_batch, lambda net: engine(net, "auto"), lambda part: part_engine(part, "auto")
    )
    scheme.module.train()
    if isinstance(scheme.module, FastNet):
        step: Step = FusedStep(scheme, frozenset(), MODERN, global_batch, {}, is_overlapped=not kind)
    else:
        step = make_step(scheme, frozenset(), MODERN, global_batch, {})
    mine = share_of_batch(global_batch, *scheme.part)
    images, labels = synthetic(lineage, mine.stop - mine.start, device)
    if scheme.part[1] == 1:
        team.broadcast(labels)
    slots = torch.arange(mine.start, mine.stop)
    return Shared(
        scheme, step, Examples(fitting(images, scheme.module), labels, global_batch, slots, global_batch, global_batch)
    )


def _peer(who: str, lineage: Lineage, global_batch: int, team: Team, device: torch.device) -> Work:
    """The same net of torch's modules in torch's DistributedDataParallel, bfloat16 by autocast on a GPU."""
    torch.compiler.reset()
    net = plain_build(lineage, device).train()
    shared = DistributedDataParallel(
        net, [device.index] if device.type == "cuda" else None, gradient_as_bucket_view=True
    )
    if "bfloat16" in who:
        shared.register_comm_hook(None, bf16_compress_hook)
    forward = torch.compile(shared) if "compiled" in who else shared
    optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.9, weight_decay=5e-4, fused=True)
    mine = share_of_batch(global_batch, team.rank, team.size)
    images, labels = synthetic(lineage, mine.stop - mine.start, device)
    precision = usual_precision(device)

    def step() -> None:
        with autocast(device, precision):
            loss = F.cross_entropy(forward(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    return step


def _waited(start: Callable[[], dist.Work]) -> None:
    start().wait()


def collectives(team: Team, device: torch.device) -> Iterator[dict[str, Any]]:
    """How long sums and gathers take, by size: what the cost model is made of."""
    for size in SIZES if device.type == "cuda" else SIZES[:3]:
        whole = torch.zeros(size // 2 // team.size * team.size, dtype=torch.bfloat16, device=device)
        part = torch.zeros(len(whole) // team.size, dtype=torch.bfloat16, device=device)
        kinds: dict[str, Callable[[], dist.Work]] = {
            "sum": partial(team.start_sum, whole),
            "scatter": partial(team.start_scatter, part, whole),
            "gather": partial(team.start_gather, whole, part),
        }
        for kind, start in kinds.items():
            times = measure(partial(_waited, start), device, 0.0)
            median, ways = statistics.median(times), 2 if kind == "sum" else 1
            sent = ways * (team.size - 1) / team.size * whole.nbytes
            yield {
                "collective": kind,
                "bytes": whole.nbytes,
                "median_ms": round(median, 4),
                "sent_gb_per_s": round(sent / median / 1e6, 2),
            }
