"""Passes through a network: images per second of large batches, latency of one picture."""

from collections.abc import Sequence

import torch

from alexnet.bench.clock import Work
from alexnet.bench.comparison import compared
from alexnet.bench.figure import Benchmark
from alexnet.bench.floor import floor_ms
from alexnet.bench.peers import PEERS, peer_prediction
from alexnet.bench.synthetic import synthetic
from alexnet.bench.training import is_h100
from alexnet.fast import FastNet, accelerate
from alexnet.fast.graph import GraphedNet
from alexnet.lineages import find
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
    table, is_gpu = find(lineage), device.type == "cuda"
    precision = "bfloat16" if is_gpu else "float32"
    images, _ = synthetic(table, batch_size, device)

    def ours() -> Work:
        net = accelerate(AlexNet(table).to(device).eval())
        if isinstance(net, FastNet):
            return GraphedNet(net.eval(), images).replay
        return torch.inference_mode()(lambda: net(images))

    others = [(who, lambda who=who: peer_prediction(who, table, images, precision)) for who in peers]
    floor = floor_ms(table, batch_size, is_training=False) if is_h100(device) else None
    figures = compared([("ours", ours), *others], batch_size, device, seconds, floor)
    notes = (
        "Pictures are drawn at random and lie on the device; compiling and warming up come before the clock.",
        "Peers: the same lineage of torch's modules, bfloat16 autocast and channels_last on a GPU.",
    )
    return Benchmark("infer", lineage, batch_size, precision, figures, notes)
