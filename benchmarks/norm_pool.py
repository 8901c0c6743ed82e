"""Norm and pooling of `bvlc` on a CPU: the compiled operator, torch's passes as they are without it, and eager layers.

    python benchmarks/norm_pool.py [--rounds 200] [--images 1 8]

Each round times every peer once, in turn, on a map that was written just before, as by a convolution. Results are
compared with float64 first.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

from alexnet.cli.imports import SPINS

os.environ.setdefault(*SPINS)

import torch
from torch import Tensor

from alexnet.fast.cpu.norm import ResponseNorm
from alexnet.fast.cpu.norm_pool import OPERATOR, MaxPool, NormPool
from alexnet.model.layers import LocalResponseNorm

MAPS = {"norm1, pool1": (96, 55), "norm2, pool2": (256, 27)}
Peer = Callable[[Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--images", type=int, nargs="+", default=[1, 8])
    arguments = parser.parse_args()
    OPERATOR.compile()
    print(
        f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}; {OPERATOR.reason or 'compiled'}"
    )
    for images in arguments.images:
        for name, (channels, side) in MAPS.items():
            for dtype in (torch.float32, torch.bfloat16):
                measure(name, torch.Size((images, channels, side, side)), dtype, arguments.rounds)


def peers(dtype: torch.dtype) -> dict[str, Peer]:
    norm, pool = LocalResponseNorm(5, 1e-4, 0.75, 1.0), torch.nn.MaxPool2d(3, 2, ceil_mode=True)
    one = NormPool(ResponseNorm(norm, overwrites=True), MaxPool(pool))

    def passes(maps: Tensor) -> Tensor:
        return MaxPool(pool)(ResponseNorm(norm, overwrites=True)(maps)).to(dtype)

    return {"compiled": one, "passes": passes, "eager": lambda maps: pool(norm(maps))}


@torch.inference_mode()
def measure(name: str, shape: torch.Size, dtype: torch.dtype, rounds: int) -> None:
    """Print a line for each peer."""
    source = (torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 100).relu()
    source = source.to(dtype, memory_format=torch.channels_last)
    exact, maps = peers(dtype)["eager"](source.double()), torch.empty_like(source)
    seconds: dict[str, list[float]] = {}
    for turn in range(rounds + 1):  # the first for the error
        for peer, run in peers(dtype).items():
            maps.copy_(source)
            started = time.perf_counter()
            found = run(maps)
            if turn:
                seconds.setdefault(peer, []).append(time.perf_counter() - started)
            else:
                error = float((found - exact).abs().max() / exact.abs().max())
                assert error <= (1e-6 if dtype == torch.float32 else 2e-2), f"{peer}: {error}"
    for peer, times in seconds.items():
        precision = str(dtype).removeprefix("torch.")
        median, best = 1e3 * statistics.median(times), 1e3 * min(times)
        print(f"{shape[0]:2d} images  {name}  {precision:9s}{peer:10s}{median:8.3f} ms, best {best:.3f}")


if __name__ == "__main__":
    main()
