"""Time per call: by events on a GPU, by the clock elsewhere."""

import time
from collections.abc import Callable

import torch

WARM_UPS = 6
LEAST_REPEATS = 10

Work = Callable[[], object]


def measure(work: Work, device: torch.device, seconds: float) -> list[float]:
    """Milliseconds of each repeat, for at least `seconds` and LEAST_REPEATS of them; warming up comes before.

    On a GPU a repeat lies between two events, so that launching the next costs nothing.
    """
    once = on_gpu if device.type == "cuda" else by_clock
    for _ in range(WARM_UPS if device.type == "cuda" else 2):
        once(work)
    times: list[float] = []
    while sum(times) < 1e3 * seconds or len(times) < LEAST_REPEATS:
        times.append(once(work))
    return times


def on_gpu(work: Work) -> float:
    """Milliseconds of one call, as the GPU sees it."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    start.record()
    work()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def by_clock(work: Work) -> float:
    """Milliseconds of one call, as the processor sees it."""
    began = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - began)
