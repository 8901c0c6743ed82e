"""What a benchmark found, as people and programs read it."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from alexnet.inference.machine import machine


@dataclass(frozen=True)
class Figure:
    """One measurement.

    Attributes:
        who: "ours", "eager", "compiled", or where our pictures came from.
        images_per_s: of the median repeat.
        spread: (slowest - fastest) / median of the repeats.
        ratio: our images per second over these; 1 for ours.
        floor_share: the floor's time over the median's; None where no floor is known.
        peak_mb: most memory in use at once on the GPU; None elsewhere.
        error: why there is no figure; the figures are then 0.
    """

    who: str
    images_per_s: float
    median_ms: float
    best_ms: float
    spread: float
    repeats: int
    ratio: float | None = None
    floor_share: float | None = None
    peak_mb: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Benchmark:
    """Figures of one run, ours first."""

    task: str
    lineage: str
    batch_size: int
    precision: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Fields as `alexnet bench --json` prints them."""
        return asdict(self) | {"machine": machine()}


def figure(who: str, batch_size: int, times_ms: Sequence[float], floor_ms: float | None = None) -> Figure:
    """Sum up the repeats."""
    median = statistics.median(times_ms)
    return Figure(
        who,
        images_per_s=round(1e3 * batch_size / median, 1),
        median_ms=round(median, 4),
        best_ms=round(min(times_ms), 4),
        spread=round((max(times_ms) - min(times_ms)) / median, 3),
        repeats=len(times_ms),
        floor_share=None if floor_ms is None else round(floor_ms / median, 3),
        peak_mb=round(torch.cuda.max_memory_allocated() / 1e6, 1) if torch.cuda.is_available() else None,
    )


def failed(who: str, error: Exception) -> Figure:
    """A peer that did not run is named, and ours is still shown."""
    return Figure(who, 0.0, 0.0, 0.0, 0.0, 0, error=str(error).splitlines()[0][:200])
