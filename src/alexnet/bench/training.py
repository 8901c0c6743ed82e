"""Steps of training: on synthetic pictures beside plain PyTorch, and from a prepared set beside synthetic ones."""

from collections.abc import Sequence

import torch

from alexnet.bench.clock import Work
from alexnet.bench.comparison import compared
from alexnet.bench.figure import Benchmark
from alexnet.bench.floor import DEVICE, floor_ms
from alexnet.bench.peers import PEERS, peer_training
from alexnet.bench.synthetic import synthetic
from alexnet.lineages import Lineage, find
from alexnet.model import AlexNet
from alexnet.parallel.scheme import Scheme
from alexnet.train.engine import engine
from alexnet.train.recipe import MODERN
from alexnet.train.stage import Examples
from alexnet.train.step import Step, make_step


def bench_train(
    lineage: str = "bvlc",
    batch_size: int = 128,
    *,
    device: torch.device,
    peers: Sequence[str] = PEERS,
    seconds: float = 2.0,
) -> Benchmark:
    """Time whole steps of the modern recipe (forward, loss, backward, clipping, update) on pictures drawn at random.

    Args:
        batch_size: pictures per step.
        device: where to train; arithmetic in bfloat16 on a GPU, in float32 elsewhere, for the peers too.
        peers: which of PEERS to measure.
        seconds: of repeats for each.
    """
    table, is_gpu = find(lineage), device.type == "cuda"
    precision = "bfloat16" if is_gpu else "float32"
    images, labels = synthetic(table, batch_size, device)

    def ours() -> Work:
        step = our_step(table, batch_size, device)
        examples = Examples.all(images, labels, batch_size)
        return lambda: step(examples, 0.01, 0)

    others = [(who, lambda who=who: peer_training(who, table, images, labels, precision)) for who in peers]
    floor = floor_ms(table, batch_size, is_training=True) if is_h100(device) else None
    figures = compared([("ours", ours), *others], batch_size, device, seconds, floor)
    return Benchmark("train", lineage, batch_size, precision, figures, NOTES)


NOTES = (
    "Pictures are drawn at random and lie on the device; compiling and warming up come before the clock.",
    "Peers: the same lineage of torch's modules with torch's fused SGD, bfloat16 autocast and channels_last on a GPU.",
)


def our_step(lineage: Lineage, batch_size: int, device: torch.device) -> Step:
    """The step of the modern recipe, as `alexnet train` runs it."""
    net = AlexNet(lineage).to(device)
    module = engine(net, "auto").train()
    scheme = Scheme(net, module, dict(net.named_parameters()))
    return make_step(scheme, frozenset(), MODERN, batch_size, {})


def is_h100(device: torch.device) -> bool:
    """Whether the floor was computed for this device."""
    return device.type == "cuda" and DEVICE in torch.cuda.get_device_name(device)
