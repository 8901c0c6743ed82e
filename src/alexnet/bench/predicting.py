"""Passes through a network: images per second of large batches, latency of one picture."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from alexnet.bench.clock import Work
from alexnet.bench.comparison import compared
from alexnet.bench.figure import Benchmark
from alexnet.bench.floor import known_floor_ms
from alexnet.bench.peers import PEERS, peer_prediction, usual_precision
from alexnet.bench.synthetic import fitting, synthetic
from alexnet.fast import FastNet, accelerate
from alexnet.fast.graph import GraphedNet
from alexnet.lineages import Lineage, find
from alexnet.model import AlexNet


def bench_infer(
    lineage: str = "bvlc",
    batch_size: int = 1,
    *,
    device: torch.device,
    peers: Sequence[str] = PEERS,
    seconds: float = 2.0,
) -> Benchmark:
    """Time predictions of pictures that lie on the device; the arguments are those of `bench_train`."""
    table, precision = find(lineage), usual_precision(device)
    images, _ = synthetic(table, batch_size, device)
    others = [(who, partial(peer_prediction, who, table, images, precision)) for who in peers]
    floor = known_floor_ms(device, table, batch_size, is_training=False)
    ours = ("ours", partial(our_prediction, table, images))
    figures = compared([ours, *others], batch_size, device, seconds, floor)
    notes = (
        "Pictures are drawn at random and lie on the device; compiling and warming up come before the clock.",
        "Peers: the same lineage of torch's modules, bfloat16 autocast and channels_last on a GPU.",
    )
    return Benchmark("infer", lineage, batch_size, precision, figures, notes)


def our_prediction(lineage: Lineage, images: Tensor) -> Work:
    """Our pass through the network; on a GPU as one captured graph."""
    net = accelerate(AlexNet(lineage).to(images.device).eval())
    if isinstance(net, FastNet):
        return GraphedNet(net.eval(), images).replay
    fitted = fitting(images, net)
    return torch.inference_mode()(lambda: net(fitted))
