"""A prepared set on disk, and how to open it.

    dataset.json             the card: classes, counts, statistics, shards; written last (dataset_card.py)
    mean.npy                 mean image of the training pictures, (S, S, 3) float32
    report.jsonl             every picture that was refused or repaired, and why
    train-00000.tar          JPEG pictures and class indices, WebDataset (tar_shards.py), or
    train-00000.npy          uint8 pictures (N, S, S, 3) (raw_shards.py)
    train-00000.index.npy    offset, size, label and name of each picture of the shard (shard_index.py)
    val-00000...             the same for the validation pictures

A folder without a card is unfinished; the same call of `prepare` completes it.
"""

from collections.abc import Iterator
from pathlib import Path

from alexnet.data.dataset_card import ShardFile, read_card
from alexnet.data.foreign_tars import open_tars
from alexnet.data.listing import Split
from alexnet.data.plan import SPLITS
from alexnet.data.raw_shards import RawPictures
from alexnet.data.shard_index import Shard, read_index
from alexnet.data.tar_shards import TarPictures
from alexnet.errors import DataError

__all__ = ["RawPictures", "TarPictures", "open_prepared", "open_tars"]


def open_prepared(folder: Path, split: Split | None = None) -> TarPictures | RawPictures:
    """Open one split of a prepared set, or all of it: training pictures first.

    Raises:
        DataError: the set is unfinished or damaged, a shard is missing or cut short, or the split is empty.
    """
    card = read_card(folder)
    files = [file for name in SPLITS if split in (None, name) for file in card.shards[name]]
    if not files:
        raise DataError(
            f"{folder} has no {split} pictures. Give `alexnet prepare` a source with a {split} folder, "
            "or --val-fraction 0.1."
        )
    shards = list(_open_shards(folder, files))
    if card.plan.format == "raw":
        return RawPictures(shards, card.classes, card.plan.size)
    return TarPictures(shards, card.classes, card.plan.size, card.plan.fit)


def _open_shards(folder: Path, files: list[ShardFile]) -> Iterator[Shard]:
    for file in files:
        path = folder / file.name
        length = path.stat().st_size if path.is_file() else None
        if length != file.bytes:
            found = "is missing" if length is None else f"has {length} bytes"
            raise DataError(f"{path} {found}; {folder.name} needs {file.bytes} bytes. Copy or prepare this set again.")
        yield Shard(path, read_index(path, file.pictures))
