"""One door to pictures, whatever holds them: a folder, a list, tar files or a prepared set."""

import re
from pathlib import Path
from typing import Protocol

import numpy as np

from alexnet.data.dataset_card import is_prepared
from alexnet.data.folder import Listing, scan
from alexnet.data.listing import SPLIT_NAMES, Split
from alexnet.data.picture import read_picture, to_square
from alexnet.data.shards import RawPictures, TarPictures, open_prepared, open_tars
from alexnet.errors import DataError
from alexnet.lineages.spec import Fit

__all__ = ["FolderPictures", "Pictures", "RawPictures", "TarPictures", "open_pictures", "open_split_or_all"]


class Pictures(Protocol):
    """Square pictures by number, safe to read from many threads.

    Attributes:
        classes: names, in the order of the labels.
        labels: (N,) int32; -1 is no label.
        side: S, of every picture in pixels.
    """

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> np.ndarray: ...
    @property
    def side(self) -> int: ...
    def __len__(self) -> int: ...
    def name(self, index: int, /) -> str: ...
    def read(self, index: int, /) -> np.ndarray:
        """Picture `index`: (S, S, 3) uint8, RGB.

        Raises:
            UnreadablePicture: this one cannot be read; others can.
        """
        ...


class FolderPictures:
    """Pictures read from their files and made square each time they are asked for."""

    def __init__(self, listing: Listing, side: int, fit: Fit) -> None:
        self.listing, self.side, self.fit = listing, side, fit
        self.classes, self.labels = listing.classes, listing.labels

    def __len__(self) -> int:
        return len(self.listing)

    def name(self, index: int) -> str:
        return self.listing.name(index)

    def read(self, index: int) -> np.ndarray:
        picture = read_picture(self.listing.path(index), self.name(index))
        return to_square(picture, self.side, self.fit)


def open_pictures(source: str | Path, split: Split | None, side: int, fit: Fit) -> Pictures:
    """Open a folder per class, a CSV or JSONL list, tar files or a prepared set.

    Args:
        source: tar files are one .tar, or a folder of them without folders in it.
        split: one split of a source that has it, or all pictures. Tar files have theirs in their names: train-0.tar.
        side: of the squares in pixels; a prepared set keeps the side it was made with, and its `fit`.
        fit: see `to_square`.

    Raises:
        DataError: nothing there that can be read, or not this split.
    """
    path = Path(source)
    if is_prepared(path):
        return open_prepared(path, split)
    if tars := _tar_files(path):
        wanted = [tar for tar in tars if split in (None, _split_of(tar))]
        if not wanted:
            raise DataError(f"{path}: no {split} pictures. Expected tar files named for it, such as {split}-0.tar.")
        return open_tars(wanted, side, fit)
    listing = scan(path)
    if split is not None:
        listing = listing.select(np.flatnonzero(listing.split == split))
        if not len(listing):
            raise DataError(
                f"{path}: no {split} pictures. Expected a folder {split}/, or a list with a `split` column."
            )
    return FolderPictures(listing, side, fit)


def open_split_or_all(source: str | Path, split: Split, side: int, fit: Fit) -> Pictures:
    """Open one split of a source that has it, else all of its pictures; see `open_pictures`."""
    try:
        return open_pictures(source, split, side, fit)
    except DataError:  # no such split, or nothing that can be read: then this says so
        return open_pictures(source, None, side, fit)


def _tar_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if ".tar" in path.suffixes or path.suffix == ".tgz" else []
    entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    return sorted(entry for entry in entries if entry.suffix == ".tar" and not any(map(Path.is_dir, entries)))


def _split_of(tar: Path) -> str | None:
    word = re.match("[a-z]*", tar.name.lower())
    return SPLIT_NAMES.get(word[0]) if word else None
