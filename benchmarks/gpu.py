"""Training steps and predictions on one GPU: ours beside plain PyTorch builds of the same lineage, in one run.

    python benchmarks/gpu.py [train:LINEAGE:BATCH_SIZE | infer:LINEAGE:BATCH_SIZE ...]

Prints a line of JSON per figure. Pictures lie on the device, drawn at random. The peers are built of torch's modules
and run under autocast to bfloat16 in channels_last; in training they step with torch's fused SGD. Compiling and warming
up come before the clock.
"""

import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet.fast import FastNet, accelerate
from alexnet.fast.graph import GraphedNet, TrainStep
from alexnet.fast.optimizer import Update
from alexnet.lineages import find, totals, trace
from alexnet.lineages.spec import Norm, Pool
from alexnet.model import AlexNet
from alexnet.model.layers import LocalResponseNorm

CASES = (
    "train:bvlc:1024", "train:bvlc:128", "train:torchvision:1024",
    "infer:bvlc:1024", "infer:bvlc:128", "infer:bvlc:1", "infer:torchvision:1024",
)  # fmt: skip
PEERS = ("eager", "torch.compile")

# An H100 as measured: an 8192**3 bfloat16 product, and a large copy counting what is read and what is written.
FLOPS_PER_S, BYTES_PER_S = 790e12, 3.0e12


@dataclass(frozen=True)
class Figure:
    """One measurement; `spread` is (slowest - fastest) / median of the repeats, `floor_share` the floor / median."""

    task: str
    who: str
    lineage: str
    batch_size: int
    images_per_s: float
    median_ms: float
    best_ms: float
    spread: float
    repeats: int
    floor_share: float


def measure(work: Callable[[], object], seconds: float = 1.5) -> list[float]:
    """Milliseconds of each repeat, by device events."""
    for _ in range(6):
        work()
    times: list[float] = []
    while sum(times) < 1e3 * seconds or len(times) < 10:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return times


def figure(task: str, who: str, lineage: str, batch_size: int, times: list[float]) -> Figure:
    median = statistics.median(times)
    return Figure(
        task, who, lineage, batch_size,
        images_per_s=round(batch_size / median * 1e3),
        median_ms=round(median, 4),
        best_ms=round(min(times), 4),
        spread=round((max(times) - min(times)) / median, 3),
        repeats=len(times),
        floor_share=round(1e3 * floor_s(lineage, batch_size, task == "train") / median, 3),
    )  # fmt: skip


def floor_s(lineage: str, batch_size: int, is_training: bool) -> float:
    """Seconds that no version beats: for each layer the slower of its arithmetic and its bytes, one after another.

    Maps and weights in bfloat16, pictures as bytes going in; a convolution with bias and ReLU is one pass, a norm with
    its pool another, which keeps a byte per output for the way back; the update moves 22 bytes a parameter.
    """
    rows, seconds = trace(find(lineage)), 0.0
    for index, row in enumerate(rows):
        inputs, outputs = 2 * batch_size * prod(row.in_shape), 2 * batch_size * prod(row.out_shape)
        flops, weights = 2 * batch_size * row.macs, 2 * row.params
        if row.weights:
            is_first = index == 0
            read = inputs / 2 if is_first else inputs
            seconds += max(flops / FLOPS_PER_S, (read + weights + outputs) / BYTES_PER_S)
            passes = 1 if is_first else 2  # the pictures need no gradient
            moved = passes * (inputs + outputs) + (passes + 1) * weights
            seconds += is_training * max(passes * flops / FLOPS_PER_S, moved / BYTES_PER_S)
        is_alone = isinstance(row.layer, Norm) and not isinstance(rows[index + 1].layer, Pool)
        if is_alone or isinstance(row.layer, Pool):
            seconds += (inputs + outputs) / BYTES_PER_S + is_training * (2 * inputs + 1.5 * outputs) / BYTES_PER_S
    return seconds + is_training * 22 * totals(rows).params / BYTES_PER_S


def plain_build(lineage: str) -> nn.Module:
    """The lineage as one would write it with torch's own modules."""
    net = AlexNet(lineage)
    for name, layer in list(net.named_children()):
        if isinstance(layer, LocalResponseNorm) and layer.groups == 1:
            setattr(net, name, nn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k))
        elif name.startswith("drop"):
            setattr(net, name, nn.Dropout())
    net.cuda().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def batch(lineage: str, batch_size: int) -> tuple[Tensor, Tensor]:
    """Pictures (B, 3, S, S) in channels_last, float32, and labels."""
    size, classes = find(lineage).input.size, find(lineage).num_classes
    images = torch.randn(batch_size, 3, size, size, device="cuda").contiguous(memory_format=torch.channels_last)
    return images, torch.randint(0, classes, (batch_size,), device="cuda")


def our_net(lineage: str) -> FastNet:
    net = accelerate(AlexNet(lineage).cuda())
    assert isinstance(net, FastNet)
    return net


def our_training(lineage: str, batch_size: int) -> Callable[[], object]:
    net = our_net(lineage).train()
    step = TrainStep(net, {name: Update("torch") for name, _ in net.net.named_parameters()}, batch_size=batch_size)
    step(*batch(lineage, batch_size), lr=0.01, seed=0)
    return step.replay


def our_prediction(lineage: str, batch_size: int) -> Callable[[], object]:
    return GraphedNet(our_net(lineage).eval(), batch(lineage, batch_size)[0]).replay


def peer_training(lineage: str, batch_size: int, is_compiled: bool) -> Callable[[], object]:
    net = plain_build(lineage).train()
    optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.9, weight_decay=5e-4, fused=True)
    forward = torch.compile(net) if is_compiled else net
    images, labels = batch(lineage, batch_size)

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16):
            loss = F.cross_entropy(forward(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    return step


def peer_prediction(lineage: str, batch_size: int, is_compiled: bool) -> Callable[[], object]:
    net = plain_build(lineage).eval()
    forward = torch.compile(net) if is_compiled else net
    images, _ = batch(lineage, batch_size)

    @torch.inference_mode()
    def work() -> None:
        with torch.autocast("cuda", torch.bfloat16):
            forward(images)

    return work


def run(case: str) -> None:
    """Measure ours and the peers, a line each; who fails says so in its line."""
    task, lineage, size = case.split(":")
    for who in ("ours", *PEERS):
        torch.compiler.reset()
        torch.cuda.empty_cache()
        try:
            if who == "ours":
                work = (our_training if task == "train" else our_prediction)(lineage, int(size))
            else:
                build = peer_training if task == "train" else peer_prediction
                work = build(lineage, int(size), is_compiled=who == "torch.compile")
            line = asdict(figure(task, who, lineage, int(size), measure(work)))
        except RuntimeError as error:
            line = {"task": task, "who": who, "lineage": lineage, "batch_size": int(size), "error": str(error)[:200]}
        print(json.dumps(line), flush=True)


def main() -> None:
    if not torch.cuda.is_available():
        print("No CUDA device: nothing measured.")
        return
    torch.backends.cudnn.benchmark = True
    print(json.dumps({"device": torch.cuda.get_device_name(), "torch": torch.__version__}), flush=True)
    for case in sys.argv[1:] or CASES:
        run(case)


if __name__ == "__main__":
    main()
