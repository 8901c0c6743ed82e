"""What an unfinished set knows of its finished shards, in `.preparing/`, and the report that comes of it.

A shard is finished when its record, `.preparing/NAME.json`, is there: all else of it was on the disk before.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from alexnet.data.dataset_card import WORK, ShardFile
from alexnet.data.durable import write_json, written_aside
from alexnet.data.listing import Split
from alexnet.data.shard_index import index_path
from alexnet.data.statistics import Moments
from alexnet.errors import TooManyUnreadable


@dataclass(frozen=True)
class Entry:
    """One line of `report.jsonl`."""

    image: str
    split: Split
    action: Literal["refused", "repaired"]
    why: str

    def to_line(self) -> bytes:
        return (json.dumps(vars(self), ensure_ascii=True) + "\n").encode("ascii")


@dataclass(frozen=True)
class Record:
    """A finished shard: its file, its pictures of each class, and what had to be said of others."""

    file: ShardFile
    counts: tuple[int, ...]
    report: tuple[Entry, ...]

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Record":
        report = tuple(Entry(**entry) for entry in values["report"])
        return cls(ShardFile(**values["file"]), tuple(values["counts"]), report)


@dataclass
class Tally:
    """Pictures done and pictures refused, over all shards and all calls for one set."""

    total: int
    quota: int
    progress: Callable[[int, int], None] | None = None
    done: int = 0
    refused: list[Entry] = field(default_factory=list)

    def add(self, pictures: int, report: Iterable[Entry]) -> None:
        """Count pictures of the source, and those of them that were refused.

        Raises:
            TooManyUnreadable: more than the quota, or all; names the first.
        """
        self.refused += [entry for entry in report if entry.action == "refused"]
        self.done += pictures
        if len(self.refused) > min(self.quota, self.total - 1):
            first = "".join(f"\n  {entry.why}" for entry in self.refused[:3])
            raise TooManyUnreadable(
                f"{len(self.refused)} of the {self.total} pictures cannot be read, and the quota is {self.quota}; "
                f"the first:{first}\nRun `alexnet data inspect` to see all of them, then mend or remove them."
            )
        if self.progress:
            self.progress(self.done, self.total)


def write_record(folder: Path, name: str, record: Record, sums: Moments) -> None:
    """Say that a shard is finished; its sums go first, since the record vouches for them."""
    with written_aside(_path(folder, name, ".npz")) as file:
        np.savez(file, count=sums.count, total=sums.total, products=sums.products)
    write_json(_path(folder, name, ".json"), asdict(record))


def read_record(folder: Path, name: str) -> Record | None:
    """The record of a finished shard; None where there is no such shard, or its file has lost its length since."""
    try:
        record = Record.from_json(json.loads(_path(folder, name, ".json").read_text(encoding="ascii")))
        shard = folder / record.file.name
        is_whole = shard.stat().st_size == record.file.bytes and index_path(shard).exists()
    except FileNotFoundError:
        return None
    return record if is_whole else None


def read_sums(folder: Path, name: str) -> Moments:
    """The sums over the pictures of a finished shard."""
    with np.load(_path(folder, name, ".npz"), allow_pickle=False) as arrays:
        moments = Moments(arrays["total"].shape[0])
        moments.count, moments.total, moments.products = int(arrays["count"]), arrays["total"], arrays["products"]
    return moments


def _path(folder: Path, name: str, suffix: str) -> Path:
    return folder / WORK / (name + suffix)
