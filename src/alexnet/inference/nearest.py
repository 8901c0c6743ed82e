"""The rows of a large array that are nearest to some vectors: exact, block by block, in bounded memory.

N rows, D features, Q queries, k neighbours of each.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Metric = Literal["euclidean", "cosine"]
BLOCK_BYTES = 64 * 2**20  # of rows as float32; from 32 to 128 MB the time is the same
QUERIES_AT_ONCE = 1024
EXACT_BYTES = 8 * 2**20  # of differences as float64; 64 MB take four times as long on a processor, for fresh pages
# Sums of float32 put rows that are equally far within 1e-6 in any order: so many more are measured again in float64.
MORE = 16


class StoredRows:
    """The rows of an .npy file. Each access maps but what it asks for, so that pages once read do not pile up.

    Raises:
        ValueError: the file is no such array.
    """

    def __init__(self, path: Path) -> None:
        rows: np.memmap = np.load(path, mmap_mode="r", allow_pickle=False)
        self.path, self.shape, self.dtype, self.offset = path, rows.shape, rows.dtype, rows.offset

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, places: slice | np.ndarray) -> np.ndarray:
        if isinstance(places, np.ndarray):
            chosen: np.ndarray = np.load(self.path, mmap_mode="r", allow_pickle=False)[places]
            return chosen
        first, last, _ = places.indices(len(self))
        start = self.offset + first * self.shape[1] * self.dtype.itemsize
        # "c", which nobody writes to: torch takes no array that is read-only
        return np.memmap(self.path, self.dtype, "c", start, (last - first, self.shape[1]))


def nearest(
    rows: np.ndarray | StoredRows,
    squares: np.ndarray,
    queries: np.ndarray,
    count: int,
    metric: Metric = "euclidean",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest rows of each query, nearest first, and how far they are.

    Args:
        rows: (N, D) float16 or float32, in memory or stored; read once for each 1,024 queries.
        squares: (N,) float32, the sum of squares of each row.
        queries: (Q, D) float32.
        count: k; fewer come back where N is smaller.
        metric: Euclidean distance, or 1 minus the cosine.
        progress: called with (rows done, rows in all), for each 1,024 queries anew.

    Returns:
        places (Q, k) int64 and distances (Q, k) float64; of rows equally far the first comes first.
    """
    count = min(count, len(rows))
    parts = [
        _nearest(rows, squares, queries[start : start + QUERIES_AT_ONCE], count, metric, progress)
        for start in range(0, len(queries), QUERIES_AT_ONCE)
    ]
    places, distances = zip(*parts, strict=True)
    return np.concatenate(places), np.concatenate(distances)


def _nearest(
    rows: np.ndarray | StoredRows,
    squares: np.ndarray,
    queries: np.ndarray,
    count: int,
    metric: Metric,
    progress: Callable[[int, int], None] | None,
) -> tuple[np.ndarray, np.ndarray]:
    kept = min(count + MORE, len(rows))
    asked = torch.from_numpy(np.ascontiguousarray(queries, np.float32))
    best, places = torch.empty(len(asked), 0), torch.empty(len(asked), 0, dtype=torch.int64)
    step = max(1, min(len(rows), BLOCK_BYTES // (4 * rows.shape[1])))
    buffer = torch.empty(step, rows.shape[1])  # one for all blocks: fresh pages cost more than the product
    for start in range(0, len(rows), step):
        stored = torch.from_numpy(rows[start : start + step])  # (b, D)
        block = buffer[: len(stored)].copy_(stored)
        scores = _scores(asked, block, torch.from_numpy(squares[start : start + step]), metric)  # (Q, b)
        here = scores.topk(min(kept, len(block)), largest=False)
        best = torch.cat([best, here.values], dim=1)
        places = torch.cat([places, here.indices + start], dim=1)
        best, chosen = best.topk(min(kept, best.shape[1]), largest=False)
        places = places.gather(1, chosen)
        if progress is not None:
            progress(start + len(block), len(rows))
    return _measured(rows, queries, places.numpy(), count, metric)


def precision(rows: Tensor, labels: Tensor, count: int) -> float:
    """The mean share of a row's `count` nearest others, by Euclidean distance, that have its label.

    Args:
        rows: (N, D) on any device that has float64.
        labels: (N,) on the same.
        count: k; fewer where N is smaller.
    """
    rows = rows.float()
    squares = rows.square().sum(1)  # (N,)
    blocks = torch.split(torch.arange(len(rows), device=rows.device), QUERIES_AT_ONCE)
    places = torch.cat([_others(rows, squares, own, count) for own in blocks])  # (N, k)
    return float((labels[places] == labels[:, None]).double().mean())


def _others(rows: Tensor, squares: Tensor, own: Tensor, count: int) -> Tensor:
    """The places (Q, k) of the rows nearest to those at `own` (Q,), themselves left out."""
    scores = _scores(rows[own], rows, squares, "euclidean").scatter_(1, own[:, None], torch.inf)  # (Q, N)
    kept = min(count + MORE, len(rows) - 1)
    candidates = scores.topk(kept, largest=False).indices.sort(dim=1).values  # (Q, c)
    step = max(1, EXACT_BYTES // (8 * kept * rows.shape[1])) if kept else len(own)
    parts = zip(torch.split(own, step), torch.split(candidates, step), strict=True)
    order = torch.cat([_far(rows, asking, near) for asking, near in parts]).argsort(dim=1, stable=True)
    return candidates.gather(1, order[:, :count])


def _far(rows: Tensor, own: Tensor, others: Tensor) -> Tensor:
    """How far some others (Q, c) of each row at `own` (Q,) are from it, in float64."""
    apart = rows.index_select(0, others.flatten()).double().view(*others.shape, -1)  # (Q, c, D)
    far: Tensor = torch.linalg.vector_norm(apart.sub_(rows[own, None]), dim=2)
    return far


def _scores(queries: Tensor, block: Tensor, squares: Tensor, metric: Metric) -> Tensor:
    """Numbers that grow as the distance does, (Q, b): one matrix product."""
    if metric == "cosine":
        return (queries @ block.T).div_(squares.clamp(min=1e-30).sqrt()).neg_()
    return torch.addmm(squares, queries, block.T, alpha=-2)  # without the query's own square, the same for all


def _measured(
    rows: np.ndarray | StoredRows, queries: np.ndarray, places: np.ndarray, count: int, metric: Metric
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest of the candidates (Q, c), by their distances in float64."""
    found = np.empty((len(queries), count), np.int64)
    distances = np.empty((len(queries), count))
    for number, (query, candidates) in enumerate(zip(queries.astype(np.float64), places, strict=True)):
        ordered = np.sort(candidates)
        exact = _distances(rows[ordered].astype(np.float64), query, metric)
        order = np.argsort(exact, kind="stable")[:count]
        found[number], distances[number] = ordered[order], exact[order]
    return found, distances


def _distances(rows: np.ndarray, query: np.ndarray, metric: Metric) -> np.ndarray:
    if metric == "cosine":
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
        return np.asarray(1 - rows @ query / np.maximum(lengths, 1e-30))
    return np.asarray(np.linalg.norm(rows - query, axis=1))
