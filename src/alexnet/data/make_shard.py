"""Making one shard: threads read, cut and encode pictures; one writes them in order.

In flight are two chunks for each thread, so memory does not grow with the source.
"""

import tempfile
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from alexnet.data.dataset_card import WORK, ShardFile
from alexnet.data.durable import written_aside
from alexnet.data.listing import Listing
from alexnet.data.ordered import ordered_map
from alexnet.data.picture import read_bytes, read_picture, to_square
from alexnet.data.plan import Plan, ShardTask
from alexnet.data.raw_shards import RawWriter
from alexnet.data.records import Entry, Record, Tally, write_record
from alexnet.data.repairs import repairs
from alexnet.data.shard_index import Row, make_index, write_index
from alexnet.data.statistics import Moments
from alexnet.data.tar_shards import TarWriter
from alexnet.errors import UnreadablePicture

CHUNK = 16  # pictures of one piece of work: 3 MB at 256x256, and sums are merged once for all of them

# The one loss that a prepared picture takes, so it is kept small. On seven photographs at 256x256, 4:4:4 costs 30 %
# more bytes than 4:2:0 (34 KB, not 26) and a fifth more time to decode, and is closer by 3.7 dB (42.2, not 38.4):
# a picture that was made smaller has more detail of colour than halved colour planes can hold.
JPEG_OPTIONS: dict[str, Any] = {"quality": 95, "subsampling": "4:4:4"}

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class _Item:
    """One picture, ready to be written; `position` is its place in the split's order."""

    position: int
    label: int
    name: bytes
    payload: bytes


@dataclass(frozen=True, eq=False)
class _Chunk:
    """`size` pictures of the source that follow each other: those that were kept, their sums, and the report."""

    size: int
    items: list[_Item]
    sums: Moments
    report: list[Entry]


def make_shard(task: ShardTask, listing: Listing, plan: Plan, folder: Path, tally: Tally, workers: int | None) -> None:
    """Write one shard, its index and its record; the same bytes whatever `workers` is.

    Raises:
        TooManyUnreadable: from the tally.
        OSError: the folder cannot be written to.
    """
    path = folder / (task.name + (".tar" if plan.format == "jpeg" else ".npy"))
    cut = partial(_cut_chunk, task, listing, plan, folder / WORK)
    rows: list[Row] = []
    report: list[Entry] = []
    sums = Moments(plan.size)
    with written_aside(path) as file:
        writer = TarWriter(file) if plan.format == "jpeg" else RawWriter(file, plan.size)
        for chunk in ordered_map(cut, range(0, len(task.indices), CHUNK), workers):
            tally.add(chunk.size, chunk.report)
            rows += [_write(writer, item) for item in chunk.items]
            report += chunk.report
            sums.merge(chunk.sums)
        writer.close()
    write_index(path, make_index(rows))
    labels = np.array([label for _, _, label, _ in rows], np.int64)
    counts = np.bincount(labels, minlength=len(listing.classes)).tolist()
    record = Record(ShardFile(path.name, len(rows), path.stat().st_size), tuple(counts), tuple(report))
    write_record(folder, task.name, record, sums)


def _write(writer: TarWriter | RawWriter, item: _Item) -> Row:
    if isinstance(writer, TarWriter):
        offset, size = writer.add(item.position, item.payload, item.label)
    else:
        offset, size = writer.add(item.payload)
    return offset, size, item.label, item.name


def _cut_chunk(task: ShardTask, listing: Listing, plan: Plan, work: Path, start: int) -> _Chunk:
    """Read, cut, sum and encode the pictures from `start` of a shard; runs in a thread."""
    indices = task.indices[start : start + CHUNK].tolist()
    squares: dict[int, Bytes] = {}  # place in the chunk -> (S, S, 3)
    report: list[Entry] = []
    sums = Moments(plan.size)
    for place, index in enumerate(indices):
        name = listing.name(index)
        try:
            squares[place], changes = _read_square(listing.path(index), name, plan)
        except UnreadablePicture as refusal:
            report.append(Entry(name, task.split, "refused", str(refusal)))
            continue
        sums.add(squares[place])
        if changes:
            report.append(Entry(name, task.split, "repaired", ", ".join(changes)))
    items = [
        _Item(task.first + start + place, int(listing.labels[indices[place]]), listing.name_bytes(indices[place]), data)
        for place, data in zip(squares, _payloads(list(squares.values()), plan, work), strict=True)
    ]
    return _Chunk(len(indices), items, sums, report)


def _read_square(path: Path, name: str, plan: Plan) -> tuple[Bytes, tuple[str, ...]]:
    """A picture cut to the plan's square, and what was changed on the way."""
    data = read_bytes(path, name)
    return to_square(read_picture(data, name), plan.size, plan.fit), repairs(data, name)


def _payloads(squares: list[Bytes], plan: Plan, work: Path) -> list[bytes]:
    """Each picture as the bytes that its shard holds."""
    if plan.format == "raw":
        return [square.tobytes() for square in squares]
    ends = [0]
    # Pillow lets other threads run while it encodes, but only into a real file: into memory, threads gain nothing.
    with tempfile.TemporaryFile(dir=work, buffering=0) as file:
        for square in squares:
            Image.fromarray(square).save(file, "JPEG", **JPEG_OPTIONS)
            ends.append(file.tell())
        file.seek(0)
        data = file.read()
    return [data[start:end] for start, end in pairwise(ends)]
