"""The fully connected layers of `bvlc` on a CPU, for a few pictures: the compiled operator beside torch's product.

    python benchmarks/matvec.py [--rounds 21] [--images 1 2 4 6 8]

Each round times every peer once, in turn; 234 MB of weights are too many for a cache. Beside them stands the sum of the
same numbers: what reading them costs. Results are compared with float64 first.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from alexnet.cli.imports import SPINS

os.environ.setdefault(*SPINS)

import torch
from torch import Tensor

from alexnet.fast.cpu.compiled import Compiled
from alexnet.fast.cpu.matvec import OPERATOR, multiplied
from alexnet.fast.cpu.packed import PackedLinear
from alexnet.lineages import find, trace
from alexnet.lineages.spec import Linear


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--images", type=int, nargs="+", default=[1, 2, 4, 6, 8])
    arguments = parser.parse_args()
    OPERATOR.compile()
    print(
        f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}; {OPERATOR.reason or 'compiled'}"
    )
    rows = [row for row in trace(find("bvlc")) if isinstance(row.layer, Linear)]
    layers = [torch.nn.Linear(row.weights // row.out_shape[0], row.out_shape[0]) for row in rows]
    for images in arguments.images:
        measure(layers, images, arguments.rounds)


def peers(layers: list[torch.nn.Linear], features: list[Tensor]) -> dict[str, Callable[[], list[Tensor]]]:
    pairs = list(zip(layers, features, strict=True))
    weights = [layer.weight.detach() for layer in layers]
    function = OPERATOR.function
    assert function is not None, OPERATOR.reason
    nothing = Compiled(Path("nothing.c"))
    products = [PackedLinear(layer.weight, layer.bias, is_rectified=True, operator=nothing) for layer in layers]
    return {
        "compiled": lambda: [
            multiplied(function, each, layer.weight, layer.bias, is_rectified=True) for layer, each in pairs
        ],
        "torch": lambda: [product(each) for product, each in zip(products, features, strict=True)],
        "sum": lambda: [weight.sum() for weight in weights],
    }


@torch.inference_mode()
def measure(layers: list[torch.nn.Linear], images: int, rounds: int) -> None:
    """Print a line for each peer."""
    noise = torch.Generator().manual_seed(images)
    features = [torch.randn(images, layer.in_features, generator=noise) for layer in layers]
    exact = [
        torch.relu(each.double() @ layer.weight.double().t() + layer.bias.double())
        for layer, each in zip(layers, features, strict=True)
    ]
    seconds: dict[str, list[float]] = {}
    for turn in range(rounds + 1):  # the first for the error
        for peer, run in peers(layers, features).items():
            started = time.perf_counter()
            found = run()
            if turn:
                seconds.setdefault(peer, []).append(time.perf_counter() - started)
            elif peer != "sum":
                errors = [float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, exact, strict=True)]
                assert max(errors) < 1e-5, f"{peer}: {errors}"
    size = sum(layer.weight.nbytes for layer in layers)
    for peer, times in seconds.items():
        median, best = statistics.median(times), min(times)
        print(
            f"{images:2d} images  {peer:9s}{1e3 * median:7.2f} ms, best {1e3 * best:5.2f}: {size / best / 1e9:.0f} GB/s"
        )


if __name__ == "__main__":
    main()
