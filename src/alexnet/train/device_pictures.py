"""Stored pictures as bytes on the GPU, batch after batch: all of them at once, or streamed past.

Which pictures a batch holds, and in which slots, does not depend on the way. B slots of a batch, N pictures, S side.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from alexnet.data.loader import Skips, batches, share_of_batch
from alexnet.data.raw_shards import RawPictures
from alexnet.data.source import Pictures
from alexnet.parallel.team import ALONE, Team

RESIDENT_SHARE = 0.6  # of the free memory of the GPU: a step of 1024 pictures needs 12 GB beside them
Part = tuple[int, int]
WORD = 4  # bytes of a pixel that stays on the GPU
DEPTH = 8  # batches on their way to the GPU, so that 10 ms without a new one stop nothing
LEAST_DEPTH = 3
RING_BYTES = 2**29  # of the GPU; fewer large batches are on their way


@dataclass(frozen=True)
class Picked:
    """Pictures that follow each other in an epoch's order, less those that could not be read.

    Attributes:
        pictures: (M, S, S, 3 or 4) uint8 RGB on the GPU, of which a batch shows some.
        rows: (B,) which of them.
        labels: (B,) int64, on the CPU.
        positions: (B,) place of each in the epoch's order.
        start: position of the batch's first slot, readable or not.
        slots: of the whole batch, whoever has them.
        count: readable pictures of the whole batch.
    """

    pictures: Tensor
    rows: np.ndarray
    labels: np.ndarray
    positions: np.ndarray
    start: int
    slots: int
    count: int


class DevicePictures(Protocol):
    """A source of pictures on the GPU."""

    def picked(self, order: np.ndarray, batch_size: int, start: int) -> Generator[Picked, None, None]:
        """This process's part of the batches of an order of indices, from position `start` on."""
        ...


def readable(pictures: Pictures, here: int, slots: int, part: Part, team: Team) -> int:
    """Readable pictures of a whole batch of `slots`, of which `here` are in this process's part."""
    if part[1] == 1:
        return here
    # Of a raw set all can be read, so that nobody needs to be asked.
    return slots if isinstance(pictures, RawPictures) else int(team.total(here)[0])


def device_pictures(
    pictures: Pictures,
    device: torch.device,
    workers: int | None,
    skips: Skips,
    progress: Callable[[int, int], None],
    part: Part = (0, 1),
    team: Team = ALONE,
) -> DevicePictures:
    """Hold the pictures on the GPU where they fit beside the training, else stream them.

    Args:
        part: (rank, size) of this process's part of each batch.
        team: the processes that have the others.
        progress: called with (pictures read, pictures in all) while they are brought there.
    """
    free, _ = torch.cuda.mem_get_info(device)
    if len(pictures) * pictures.side**2 * WORD <= RESIDENT_SHARE * free:
        return Resident(pictures, device, workers, skips, progress, part)
    return Streamed(pictures, device, workers, skips, part, team)


class Resident:
    """All pictures on the GPU, read once; four bytes a pixel, since that many are read in one go."""

    def __init__(
        self,
        pictures: Pictures,
        device: torch.device,
        workers: int | None,
        skips: Skips,
        progress: Callable[[int, int], None],
        part: Part = (0, 1),
    ) -> None:
        count, side, self.part = len(pictures), pictures.side, part
        self.labels = pictures.labels.astype(np.int64)
        self.pixels = torch.zeros(count, side, side, WORD, dtype=torch.uint8, device=device)
        self.is_readable = np.zeros(count, bool)
        size = max(1, 2**25 // (side**2 * 3))
        with closing(batches(pictures, np.arange(count), size, workers=workers, skips=skips)) as stream:
            for batch in stream:
                at = torch.from_numpy(batch.indices).to(device)
                self.pixels[at, ..., :3] = batch.images.permute(0, 2, 3, 1).to(device)
                self.is_readable[batch.indices] = True
                progress(min(batch.start + size, count), count)

    def picked(self, order: np.ndarray, batch_size: int, start: int) -> Generator[Picked, None, None]:
        for first in range(start, len(order), batch_size):
            slots = order[first : first + batch_size]
            known = np.flatnonzero(self.is_readable[slots])
            count, mine = len(known), share_of_batch(len(slots), *self.part)
            known = known[(known >= mine.start) & (known < mine.stop)]
            rows = slots[known]
            if count:
                yield Picked(self.pixels, rows, self.labels[rows], first + known, first, len(slots), count)


class Streamed:
    """Pictures copied from pinned memory while the GPU works on those before."""

    def __init__(
        self,
        pictures: Pictures,
        device: torch.device,
        workers: int | None,
        skips: Skips,
        part: Part = (0, 1),
        team: Team = ALONE,
    ) -> None:
        self.pictures, self.device, self.workers, self.skips = pictures, device, workers, skips
        self.part, self.team = part, team
        self._ring: _Ring | None = None  # made once: the epochs follow each other without a pause

    def picked(self, order: np.ndarray, batch_size: int, start: int) -> Generator[Picked, None, None]:
        size = 2 * -(-((batch_size + 1) // 2) // self.part[1])  # the largest part, a pair more than others'
        ring = self._ring_of(size)
        stream = batches(
            self.pictures, order, batch_size,
            start=start, workers=self.workers, skips=self.skips, part=self.part, is_pinned=True,
        )  # fmt: skip
        with closing(stream):
            for batch in stream:
                count = readable(self.pictures, len(batch), batch.slots, self.part, self.team)
                pixels = ring.upload(batch.images.permute(0, 2, 3, 1))
                labels, rows = batch.labels.numpy(), np.arange(len(batch))
                try:
                    if count:
                        yield Picked(pixels, rows, labels, batch.positions, batch.start, batch.slots, count)
                finally:
                    ring.release()

    def _ring_of(self, size: int) -> "_Ring":
        """The ring for batches of up to `size` pictures here."""
        if self._ring is None or self._ring.size < size:
            self._ring = None  # its memory first
            self._ring = _Ring(size, self.pictures.side, self.device)
        return self._ring


def depth_of_ring(size: int, side: int) -> int:
    """How many batches of `size` pictures may be on their way."""
    return max(LEAST_DEPTH, min(DEPTH, RING_BYTES // (size * side**2 * WORD)))


class _Ring:
    """Buffers on the GPU that are filled on a stream of their own, one behind the other; four bytes a pixel."""

    def __init__(self, size: int, side: int, device: torch.device) -> None:
        self.size, depth = size, depth_of_ring(size, side)
        self._packed = torch.empty(size, side, side, 3, dtype=torch.uint8, device=device)  # of the side stream alone
        self._buffers = [torch.zeros(size, side, side, WORD, dtype=torch.uint8, device=device) for _ in range(depth)]
        self._read = [torch.cuda.Event() for _ in range(depth)]  # type: ignore[no-untyped-call]
        self._side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._side.wait_stream(torch.cuda.current_stream(device))  # what else used this memory, and the zeros
        self._at = 0

    def upload(self, pixels: Tensor) -> Tensor:
        """Start copying (B, S, S, 3) from pinned memory to (B, S, S, 4); what is launched from now on waits for it."""
        # The processor waits too: else it would run ahead with all of the epoch in pinned memory.
        self._read[self._at].synchronize()
        target = self._buffers[self._at][: len(pixels)]
        packed = self._packed[: len(pixels)]
        with torch.cuda.stream(self._side):
            packed.copy_(pixels, non_blocking=True)
            target[..., :3].copy_(packed)
        torch.cuda.current_stream().wait_stream(self._side)
        return target

    def release(self) -> None:
        """Say that all reading of what `upload` returned last has been launched."""
        self._read[self._at].record()
        self._at = (self._at + 1) % len(self._buffers)
