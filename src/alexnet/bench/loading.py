"""Pictures per second that reach a training loop, beside a DataLoader."""

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from alexnet.bench.comparison import with_ratios
from alexnet.bench.figure import Benchmark, Figure, failed, figure
from alexnet.data.chance import permutation
from alexnet.data.loader import Skips, batches, worker_count
from alexnet.data.source import Pictures, open_split_or_all
from alexnet.lineages import find

ROUNDS = 5


def bench_load(
    data: str | Path, lineage: str = "bvlc", batch_size: int = 128, *, workers: int | None = None, seconds: float = 2.0
) -> Benchmark:
    """Time the loader alone on the training pictures of `data`, in random order, beside a DataLoader of processes.

    Args:
        data: what `open_pictures` reads.
        lineage: whose square the pictures become where `data` is not prepared.
        batch_size: pictures of a batch.
        workers: threads, and processes of the peer; None is one per core.
        seconds: of a round; there are ROUNDS of each, ours and the peer's in turn.
    """
    square, workers = find(lineage).input, worker_count(workers)
    pictures = open_split_or_all(data, "train", square.resize, square.fit)
    sources = {
        "ours": our_batches(pictures, batch_size, workers),
        "DataLoader": their_batches(pictures, batch_size, workers),
    }
    figures = [alternated(who, times, batch_size) for who, times in rounds(sources, seconds).items()]
    for source in sources.values():
        source.close()
    ours = figures[0].images_per_s
    notes = (
        f"{workers} threads, {ours / workers:,.0f} images/s each; the DataLoader has as many processes.",
        f"{type(pictures).__name__} of {len(pictures):,} pictures, {pictures.side}x{pictures.side}, in random order.",
    )
    return Benchmark("load", lineage, batch_size, "uint8", with_ratios(figures), notes)


def our_batches(pictures: Pictures, batch_size: int, workers: int) -> Generator[object, None, None]:
    """Batches without end, epoch after epoch."""
    for epoch in count():
        order = permutation(0, epoch, len(pictures))
        with closing(batches(pictures, order, batch_size, workers=workers, skips=Skips())) as stream:
            yield from (batch for batch in stream if len(batch) == min(batch_size, len(pictures)))


def their_batches(pictures: Pictures, batch_size: int, workers: int) -> Generator[object, None, None]:
    """What one writes: a Dataset of arrays, a DataLoader of processes."""
    loader = DataLoader(
        Squares(pictures), min(batch_size, len(pictures)),
        shuffle=True, drop_last=True, num_workers=workers, persistent_workers=True,
    )  # fmt: skip
    while True:
        yield from loader


class Squares(Dataset[torch.Tensor]):
    """The pictures, one by one."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.pictures.read(index))


def rounds(sources: Mapping[str, Iterator[object]], seconds: float) -> dict[str, list[float] | Exception]:
    """Milliseconds of a batch in each round, by who made it; who fails has the error in place of times.

    The first round, which starts workers and fills the page cache, does not count.
    """
    found: dict[str, list[float] | Exception] = {who: [] for who in sources}
    for number in range(ROUNDS + 1):
        for who, source in sources.items():
            times = found[who]
            if isinstance(times, Exception):
                continue
            try:
                elapsed = timed(source, seconds)
            except Exception as error:
                if who == "ours":
                    raise
                found[who] = error
            else:
                times += [elapsed] if number else []
    return found


def timed(source: Iterator[object], seconds: float) -> float:
    """Milliseconds of a batch, over at least `seconds`."""
    began, done, elapsed = time.perf_counter(), 0, 0.0
    while elapsed < seconds:
        next(source)
        done += 1
        elapsed = time.perf_counter() - began
    return 1e3 * elapsed / done


def alternated(who: str, times: list[float] | Exception, batch_size: int) -> Figure:
    """The figure of one contender; memory is not looked at."""
    return failed(who, times) if isinstance(times, Exception) else replace(figure(who, batch_size, times), peak_mb=None)
