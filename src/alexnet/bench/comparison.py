"""Ours, then each peer, one after the other in one process."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from alexnet.bench.clock import Work, measure
from alexnet.bench.figure import Figure, failed, figure
from alexnet.fast.graph import cudnn_searches

Contender = tuple[str, Callable[[], Work]]


def compared(
    contenders: Sequence[Contender], batch_size: int, device: torch.device, seconds: float, floor_ms: float | None
) -> tuple[Figure, ...]:
    """Measure each, ours first; its ratio is how many times as many images per second ours makes."""
    with cudnn_searches():
        figures = [_measured(who, build, batch_size, device, seconds, floor_ms) for who, build in contenders]
    return with_ratios(figures)


def with_ratios(figures: Sequence[Figure]) -> tuple[Figure, ...]:
    """Say of each how many times as many images per second the first makes."""
    first = figures[0].images_per_s
    return tuple(replace(each, ratio=round(first / each.images_per_s, 3)) if each.repeats else each for each in figures)


def _measured(
    who: str, build: Callable[[], Work], batch_size: int, device: torch.device, seconds: float, floor_ms: float | None
) -> Figure:
    """Compiling and warming up come before the clock. A peer that fails says so in its line; ours raises."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        return figure(who, batch_size, measure(build(), device, seconds), floor_ms)
    except Exception as error:
        if who == "ours":
            raise
        return failed(who, error)
