"""Raw shards: pictures as plain uint8 values in `.npy` files.

`numpy.load("train-00000.npy", mmap_mode="r")` is (N, S, S, 3). Nothing is decoded: eight times the bytes of a JPEG
shard, twenty times the speed or more.
"""

import os
import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from alexnet.data.shard_index import Shard, ShardRow
from alexnet.errors import DataError

Bytes = npt.NDArray[np.uint8]

# Bytes of a picture below which threads take turns. A read of 12 KB (64x64) is over before another thread has got the
# interpreter: on 16 cores 16 threads read 80,000 of them a second, and one 147,000.
SMALL = 50_000


class RawWriter:
    """Writes pictures behind a numpy header, which is filled in at the end, when their number is known."""

    def __init__(self, file: BinaryIO, side: int) -> None:
        self._file, self._side, self._count = file, side, 0
        self._write_header()
        self._start = file.tell()

    def add(self, pixels: bytes) -> tuple[int, int]:
        """Write one picture, the bytes of (S, S, 3); return (offset, size) of them in the file."""
        assert len(pixels) == self._side**2 * 3, f"{len(pixels)} bytes for a side of {self._side}"
        offset = self._file.tell()
        self._file.write(pixels)
        self._count += 1
        return offset, len(pixels)

    def close(self) -> None:
        self._file.seek(0)
        self._write_header()
        # numpy leaves room for a growing first axis, so the header is as long for 4096 pictures as for none.
        assert self._file.tell() == self._start, "the header has changed its length"

    def _write_header(self) -> None:
        shape = (self._count, self._side, self._side, 3)
        np.lib.format.write_array_header_1_0(self._file, {"descr": "|u1", "fortran_order": False, "shape": shape})


class RawPictures:
    """The pictures of raw shards, by number; safe to read from many threads.

    Read, not mapped: the system caches the files all the same, and a process that has seen a whole large set does not
    count it among its own memory. Each shard's file stays open as long as the pictures are used.
    """

    classes: tuple[str, ...]
    labels: npt.NDArray[np.int32]
    side: int

    def __init__(self, shards: Sequence[Shard], classes: tuple[str, ...], side: int) -> None:
        self._row = ShardRow(shards)
        handles = []
        for shard in shards:
            handles.append(_open(shard, side))
            weakref.finalize(self, os.close, handles[-1])
        # Looked up for a whole batch: reading 64x64 pixels takes hardly longer than looking into a shard's index.
        self._handles = np.repeat(np.array(handles, np.int32), [len(shard.index) for shard in shards])
        self._offsets = np.concatenate([np.empty(0, np.int64), *(shard.index["offset"] for shard in shards)])
        self.classes, self.labels, self.side = classes, self._row.labels, side
        self._turn: AbstractContextManager[object] = Lock() if side**2 * 3 < SMALL else nullcontext()

    def __len__(self) -> int:
        return len(self._row)

    def name(self, index: int) -> str:
        return self._row.name(index)

    def read(self, index: int) -> Bytes:
        """One picture, (side, side, 3)."""
        picture = np.empty((self.side, self.side, 3), np.uint8)
        self.gather(np.array([index]), picture[None])
        return picture

    def gather(self, indices: npt.NDArray[np.integer], out: Bytes) -> None:
        """Read pictures into `out` (B, side, side, 3), with no lock held while the system copies.

        Raises:
            DataError: a shard is shorter than its index says.
        """
        assert out.shape == (len(indices), self.side, self.side, 3) and out.dtype == np.uint8, f"{out.shape}"
        assert out.flags.c_contiguous, f"strides {out.strides}"
        with self._turn:
            self._read(indices, out)

    def _read(self, indices: npt.NDArray[np.integer], out: Bytes) -> None:
        for end in (indices.min(), indices.max()) if len(indices) else ():
            self._row.locate(int(end))  # an IndexError where there is no such picture
        size = self.side**2 * 3
        handles, offsets = self._handles[indices].tolist(), self._offsets[indices].tolist()
        target = out.reshape(-1).data
        for slot, (handle, offset) in enumerate(zip(handles, offsets, strict=True)):
            if os.preadv(handle, [target[slot * size : (slot + 1) * size]], offset) != size:
                shard, _ = self._row.locate(int(indices[slot]))
                raise DataError(f"{shard.path} ends before picture {indices[slot]}. Copy or prepare this set again.")


def _open(shard: Shard, side: int) -> int:
    """A handle to a shard whose header and length agree with its index."""
    shape = (len(shard.index), side, side, 3)
    try:
        mapped = np.load(shard.path, mmap_mode="r", allow_pickle=False)  # checks the header against the file's length
        found = (mapped.shape, mapped.dtype)
        handle = os.open(shard.path, os.O_RDONLY)
    except (OSError, ValueError, EOFError) as cause:
        raise DataError(f"{shard.path} cannot be read: {cause}. Copy or prepare this set again.") from cause
    if found != (shape, np.uint8):
        os.close(handle)
        raise DataError(f"{shard.path} holds {found[1]} {found[0]}; its index expects uint8 {shape}.")
    return handle
