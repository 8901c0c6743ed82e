"""Pictures to batches: threads read ahead, and what comes out does not depend on how many.

B pictures of a batch, S stored side. A position is a place in the epoch's order; randomness belongs to positions, so
each picture of a batch carries its own.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from alexnet.data.ordered import core_count
from alexnet.data.source import Pictures
from alexnet.errors import TooManyUnreadable, UnreadablePicture, UsageError

MAX_WORKERS = 32
PICTURES_PER_TASK = 8
RAW_BYTES_PER_TASK = 24 * 2**20  # 128 pictures of 256x256; small ones are read by one thread at a time anyway
PREFETCH_BATCHES = 3
PREFETCH_BYTES = 128 * 2**20  # large batches are read less far ahead, so that memory stays flat
PINNED_PREFETCH_BYTES = 2**30  # whoever has a GPU to feed has more


@runtime_checkable
class Gathering(Protocol):
    """Pictures that are read many at a time, and all can be: those of raw shards."""

    def gather(self, indices: np.ndarray, out: np.ndarray, /) -> None:
        """Read pictures into `out`, (B, S, S, 3) uint8."""
        ...


@dataclass(frozen=True)
class Batch:
    """Pictures that follow each other in the epoch's order, less those that could not be read.

    Attributes:
        images: (B, 3, S, S) uint8 RGB; a view of (B, S, S, 3), the layout of decoded pictures (channels_last).
        labels: (B,) int64, -1 without a label.
        indices: (B,) which picture of the source.
        positions: (B,) place of each in the epoch's order.
        start: position of the batch's first slot, readable or not.
        slots: of the whole batch, readable or not, whoever reads them.
    """

    images: Tensor
    labels: Tensor
    indices: np.ndarray
    positions: np.ndarray
    start: int
    slots: int

    def __len__(self) -> int:
        return len(self.indices)


@dataclass
class Skips:
    """The pictures that could not be read: name to reason, each once however many epochs meet it."""

    reasons: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.reasons)

    def add(self, name: str, reason: str, of: int) -> None:
        """Count a picture of an order of `of`.

        Raises:
            TooManyUnreadable: they are more than 1 % of the order, and more than 10.
        """
        self.reasons.setdefault(name, reason)
        quota = max(10, of // 100)
        if len(self) > quota:
            raise self.too_many(f"more than {quota} of {of} pictures could not be read")

    def join(self, others: Iterable[Mapping[str, str]], of: int) -> None:
        """Add what other processes could not read, of an order of `of`.

        Raises:
            TooManyUnreadable: see `add`.
        """
        for reasons in others:
            for name, reason in reasons.items():
                self.add(name, reason, of)

    def too_many(self, what: str) -> TooManyUnreadable:
        """The error to raise, with the first reasons."""
        first = "".join(f"\n  {reason}" for reason in list(self.reasons.values())[:3])
        return TooManyUnreadable(f"{what}; the first:{first}\nRun `alexnet data inspect` to see all of them.")


def batches(
    pictures: Pictures,
    order: np.ndarray,
    batch_size: int,
    *,
    start: int = 0,
    workers: int | None = None,
    skips: Skips,
    is_pinned: bool = False,
    part: tuple[int, int] = (0, 1),
) -> Generator[Batch, None, None]:
    """Read `order` in batches, a few ahead of the caller; the same batches whatever `workers` is.

    The last batch may be smaller, a batch with unreadable pictures is, and one without a readable picture is left out;
    but not a part of one that several processes read together, for the others may have some.
    Leaving the loop early stops the threads; where an exception may keep the generator alive, use `closing`.

    Args:
        pictures: the source, safe to read from many threads.
        order: indices into `pictures`, an epoch.
        batch_size: slots of a batch, readable or not.
        start: position to begin at; a multiple of `batch_size` gives the batches of the undisturbed run.
        workers: threads; None is one per processor that this process may use.
        skips: counts the unreadable pictures.
        is_pinned: read into memory that a GPU copies from on its own.
        part: (rank, size): which of `size` equal parts of each batch to read.

    Raises:
        TooManyUnreadable: more bad pictures than the quota of `skips`, or not one good picture in a whole order.
    """
    _, size = part
    memory = PINNED_PREFETCH_BYTES if is_pinned else PREFETCH_BYTES
    ahead = min(PREFETCH_BATCHES, max(1, memory // (-(-batch_size // size) * pictures.side**2 * 3)))
    pool = ThreadPoolExecutor(worker_count(workers), thread_name_prefix="alexnet-loader")
    firsts = range(start, len(order), batch_size)
    begun = (_begin(pool, pictures, order[first : first + batch_size], first, part, is_pinned) for first in firsts)
    is_empty = start == 0
    try:
        for reading in _ahead(begun, ahead):
            bad = reading.finish()
            for slot, reason in bad.items():
                skips.add(pictures.name(int(reading.indices[slot])), reason, of=len(order))
            if len(bad) < len(reading.indices) or size > 1:
                is_empty = False
                yield reading.batch(pictures, bad)
        if is_empty and len(order):
            raise skips.too_many(f"none of {len(order)} pictures could be read")
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def share(count: int, rank: int, size: int) -> slice:
    """The part of `count` things in a row that `rank` has of `size`; parts differ by one at most."""
    return slice(count * rank // size, count * (rank + 1) // size)


def share_of_batch(count: int, rank: int, size: int) -> slice:
    """The part of a batch of `count` slots that `rank` has of `size`; slots 2k and 2k + 1 stay together (see `mix`)."""
    pairs = share((count + 1) // 2, rank, size)
    return slice(2 * pairs.start, min(2 * pairs.stop, count))


def worker_count(workers: int | None) -> int:
    """Threads to read with: what was asked for, or one per core, of at most MAX_WORKERS.

    Raises:
        UsageError: fewer than one.
    """
    if workers is None:
        return min(core_count(), MAX_WORKERS)
    if workers < 1:
        raise UsageError(f"workers is {workers}; expected 1 or more, or nothing for one per core.")
    return workers


@dataclass(frozen=True)
class _Reading:
    """A batch on its way: `tasks` fill `pixels` (B, S, S, 3), each a stretch that begins at its key.

    Attributes:
        start: position of the whole batch, `slots` long; what is read here begins `skipped` after it.
    """

    start: int
    slots: int
    skipped: int
    indices: np.ndarray
    pixels: np.ndarray
    tasks: dict[int, Future[dict[int, str]]]

    def finish(self) -> dict[int, str]:
        """Wait; return the slots that could not be read, with the reasons. Other errors of a thread surface here."""
        return {part + slot: reason for part, task in self.tasks.items() for slot, reason in task.result().items()}

    def batch(self, pictures: Pictures, bad: dict[int, str]) -> Batch:
        slots = np.setdiff1d(np.arange(len(self.indices)), list(bad))
        pixels = self.pixels[slots] if bad else self.pixels
        indices = self.indices[slots]
        return Batch(
            images=torch.from_numpy(pixels).permute(0, 3, 1, 2),
            labels=torch.from_numpy(pictures.labels[indices].astype(np.int64)),
            indices=indices,
            positions=self.start + self.skipped + slots,
            start=self.start,
            slots=self.slots,
        )


def _begin(
    pool: ThreadPoolExecutor, pictures: Pictures, batch: np.ndarray, start: int, part: tuple[int, int], is_pinned: bool
) -> _Reading:
    """Begin to read a part of a batch."""
    mine = share_of_batch(len(batch), *part)
    indices = batch[mine]
    shape = (len(indices), pictures.side, pictures.side, 3)
    # A numpy array over pinned memory: torch keeps the memory until the copies from it are done.
    pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=True).numpy() if is_pinned else np.empty(shape, np.uint8)
    stride = PICTURES_PER_TASK
    if isinstance(pictures, Gathering):
        stride = max(1, RAW_BYTES_PER_TASK // (pictures.side**2 * 3))
    parts = [slice(begin, begin + stride) for begin in range(0, len(indices), stride)]
    tasks = {part.start: pool.submit(_read, pictures, indices[part], pixels[part]) for part in parts}
    return _Reading(start, len(batch), mine.start, indices, pixels, tasks)


def _read(pictures: Pictures, indices: np.ndarray, pixels: np.ndarray) -> dict[int, str]:
    """Fill `pixels` in place; return the slots that could not be read, with the reasons."""
    if isinstance(pictures, Gathering):
        pictures.gather(indices, pixels)
        return {}
    bad = {}
    for slot, index in enumerate(indices.tolist()):
        try:
            pixels[slot] = pictures.read(index)
        except UnreadablePicture as error:
            bad[slot] = str(error)
    return bad


def _ahead(begun: Iterator[_Reading], count: int) -> Iterator[_Reading]:
    """The readings in order, with `count` more begun than handed out."""
    waiting: deque[_Reading] = deque(islice(begun, count))
    while waiting:
        waiting.extend(islice(begun, 1))
        yield waiting.popleft()
