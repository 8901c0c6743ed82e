"""Steps of training: on synthetic pictures beside plain PyTorch, and from a prepared set beside synthetic ones."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from alexnet.bench.clock import Work
from alexnet.bench.comparison import compared
from alexnet.bench.figure import Benchmark
from alexnet.bench.floor import known_floor_ms
from alexnet.bench.peers import PEERS, peer_training, usual_precision
from alexnet.bench.synthetic import fitting, synthetic
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
    table, precision = find(lineage), usual_precision(device)
    images, labels = synthetic(table, batch_size, device)
    others = [(who, partial(peer_training, who, table, images, labels, precision)) for who in peers]
    floor = known_floor_ms(device, table, batch_size, is_training=True)
    ours = ("ours", partial(our_training, table, images, labels))
    figures = compared([ours, *others], batch_size, device, seconds, floor)
    return Benchmark("train", lineage, batch_size, precision, figures, NOTES)


NOTES = (
    "Pictures are drawn at random and lie on the device; compiling and warming up come before the clock.",
    "Peers: the same lineage of torch's modules with torch's fused SGD, bfloat16 autocast and channels_last on a GPU.",
)


def our_scheme(lineage: Lineage, device: torch.device) -> Scheme:
    """A network in the form in which one process trains it."""
    net = AlexNet(lineage).to(device)
    return Scheme(net, engine(net, "auto").train(), dict(net.named_parameters()))


def our_step(scheme: Scheme, batch_size: int) -> Step:
    """The step of the modern recipe, as `alexnet train` runs it."""
    return make_step(scheme, frozenset(), MODERN, batch_size, {})


def our_training(lineage: Lineage, images: Tensor, labels: Tensor) -> Work:
    """A step of ours on the same pictures again and again."""
    scheme = our_scheme(lineage, images.device)
    step = our_step(scheme, len(labels))
    examples = Examples.all(fitting(images, scheme.module), labels, len(labels))
    return lambda: step(examples, 0.01, 0)
