"""Tar shards of JPEG files, as the `webdataset` package reads them, and random access to them.

A picture is two members, its class index in ASCII and its JPEG file:

    000000012.cls
    000000012.jpg

The key is the picture's position in the prepared order. It is not its name: a name may have dots, which end a key in
WebDataset, and more than the 100 bytes of a plain tar header. Names are in the index beside the shard.
"""

import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from alexnet.data.picture import read_picture, to_square
from alexnet.data.shard_index import Shard, ShardRow
from alexnet.errors import DataError
from alexnet.lineages.spec import Fit


class TarWriter:
    """Writes members with nothing in them that could differ from one run to the next: no time, no owner."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, position: int, jpeg: bytes, label: int) -> tuple[int, int]:
        """Write one picture; return (offset, size) of its JPEG bytes in the file."""
        self._member(f"{position:09d}.cls", str(label).encode("ascii"))
        return self._member(f"{position:09d}.jpg", jpeg), len(jpeg)

    def close(self) -> None:
        """Write the end of the archive: two empty blocks, then up to a whole record, as tar does."""
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))
        self._file.write(bytes(-self._file.tell() % tarfile.RECORDSIZE))

    def _member(self, name: str, data: bytes) -> int:
        header = tarfile.TarInfo(name)  # mtime 0, uid and gid 0, mode 0644, no user, no group
        header.size = len(data)
        self._file.write(header.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"))
        offset = self._file.tell()
        self._file.write(data)
        self._file.write(bytes(-len(data) % tarfile.BLOCKSIZE))
        return offset


class TarPictures:
    """The pictures of tar shards, by number; safe to read from many threads.

    No file is kept open: thousands of shards stay below the limit on open files, and opening one costs
    far less than decoding a picture.
    """

    classes: tuple[str, ...]
    labels: npt.NDArray[np.int32]
    side: int

    def __init__(self, shards: Sequence[Shard], classes: tuple[str, ...], side: int, fit: Fit) -> None:
        self._row = ShardRow(shards)
        self._fit = fit
        self.classes, self.labels, self.side = classes, self._row.labels, side

    def __len__(self) -> int:
        return len(self._row)

    def name(self, index: int) -> str:
        return self._row.name(index)

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        """Decode one picture to (side, side, 3), resized only if it is stored at another size.

        Raises:
            UnreadablePicture: the stored bytes are no picture.
            DataError: the shard cannot be read.
        """
        shard, record = self._row.entry(index)
        data = read_span(shard.path, int(record["offset"]), int(record["size"]))
        return to_square(read_picture(data, self.name(index)), self.side, self._fit)


def read_span(path: Path, offset: int, size: int) -> bytes:
    """Bytes of a file, without moving a position that threads would share.

    Raises:
        DataError: the file is gone, or shorter than its index says.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            data = os.pread(handle, size, offset)
        finally:
            os.close(handle)
    except OSError as cause:
        raise DataError(f"{path} cannot be read: {cause.strerror}. Was the set moved or removed?") from cause
    if len(data) != size:
        raise DataError(f"{path} ends before byte {offset + size}, where its index has a picture. Copy it again.")
    return data
