"""The index of a shard: where each picture lies, its label and its name, as one structured `.npy` file.

A field that other programs may read too: `numpy.load("train-00000.index.npy")["label"]`. Names are padded to the
longest of the shard, so an index has no Python object and costs about 50 bytes a picture, on disk and in memory.
"""

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alexnet.data.durable import written_aside
from alexnet.errors import DataError

Index = npt.NDArray[np.void]
Row = tuple[int, int, int, bytes]  # offset in the shard's file, size in bytes, label, name


def make_index(rows: Sequence[Row]) -> Index:
    """Pack rows into one array; a label of -1 means none."""
    width = max((len(name) for *_, name in rows), default=1)
    fields = [("offset", "<i8"), ("size", "<i8"), ("label", "<i4"), ("name", f"S{max(1, width)}")]
    return np.array(list(rows), dtype=fields)


def index_path(shard: Path) -> Path:
    """`train-00000.tar` and `train-00000.npy` have `train-00000.index.npy` beside them."""
    return shard.with_name(shard.stem + ".index.npy")


def write_index(shard: Path, index: Index) -> None:
    with written_aside(index_path(shard)) as file:
        np.lib.format.write_array(file, index, version=(1, 0), allow_pickle=False)


def read_index(shard: Path, pictures: int) -> Index:
    """Read the index beside `shard`.

    Raises:
        DataError: it is missing, damaged, or does not hold as many pictures as it should.
    """
    path = index_path(shard)
    try:
        index: Index = np.load(path, allow_pickle=False)
        is_ours = index.shape == (pictures,) and (index.dtype.names or ())[:4] == ("offset", "size", "label", "name")
    except (OSError, ValueError, EOFError) as cause:
        raise DataError(f"{path} cannot be read: {cause}. Copy or prepare this set again.") from cause
    if not is_ours:
        raise DataError(f"{path} is not the index of {pictures} pictures. Copy or prepare this set again.")
    return index


@dataclass(frozen=True, eq=False)
class Shard:
    """One file of pictures and its index."""

    path: Path
    index: Index


class ShardRow:
    """Shards one after the other, numbered as one row of pictures."""

    labels: npt.NDArray[np.int32]

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = tuple(shards)
        self.ends = np.cumsum([len(shard.index) for shard in self.shards], dtype=np.int64).tolist()
        labels = [shard.index["label"] for shard in self.shards]
        self.labels = np.concatenate(labels) if labels else np.empty(0, np.int32)

    def __len__(self) -> int:
        return len(self.labels)

    def locate(self, position: int) -> tuple[Shard, int]:
        """The shard that holds picture `position`, and the picture's place in it."""
        if not 0 <= position < len(self):
            raise IndexError(f"there is no picture {position} among {len(self)}")
        number = bisect_right(self.ends, position)
        shard = self.shards[number]
        return shard, int(position) - self.ends[number] + len(shard.index)

    def entry(self, position: int) -> tuple[Shard, Any]:
        """The shard that holds picture `position`, and the picture's record in its index."""
        shard, place = self.locate(position)
        return shard, shard.index[place]

    def name(self, position: int) -> str:
        return os.fsdecode(bytes(self.entry(position)[1]["name"]))
