"""The pictures of a run: what to learn from and what to check with, the same ones after a resume."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexnet.data.dataset_card import is_prepared
from alexnet.data.folder import require_trainable
from alexnet.data.listing import Rows, Split, some
from alexnet.data.source import FolderPictures, Pictures, RawPictures, open_pictures
from alexnet.data.split import split, write_splits
from alexnet.errors import DataError
from alexnet.lineages.spec import Fit
from alexnet.train.folder import SPLITS


@dataclass(frozen=True, eq=False)
class Material:
    """Training and validation pictures, whose labels are indices into the same classes."""

    train: Pictures
    val: Pictures


@dataclass(frozen=True, eq=False)
class Subset:
    """Some of the pictures of a source, as a source."""

    source: Pictures
    indices: np.ndarray

    @property
    def classes(self) -> tuple[str, ...]:
        return self.source.classes

    @property
    def labels(self) -> np.ndarray:
        labels: np.ndarray = self.source.labels[self.indices]
        return labels

    @property
    def side(self) -> int:
        return self.source.side

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        return self.source.name(int(self.indices[index]))

    def read(self, index: int) -> np.ndarray:
        return self.source.read(int(self.indices[index]))


class RawSubset(Subset):
    """Some of the pictures of raw shards, read many at a time as those are."""

    source: RawPictures

    def gather(self, indices: np.ndarray, out: np.ndarray) -> None:
        self.source.gather(self.indices[indices], out)


def subset(source: Pictures, indices: np.ndarray) -> Subset:
    """Some of the pictures of a source (M,), as a source that is read as fast."""
    return (RawSubset if isinstance(source, RawPictures) else Subset)(source, indices)


def open_material(data: Path, folder: Path, val_fraction: float, seed: int, side: int, fit: Fit) -> Material:
    """Open the pictures of a run, split where the source does not say which are for validation.

    The split of files is written to the run's splits.csv and from then on read from there, so that pictures which
    appear later do not change the run.

    Args:
        data: folder, list, tar files or a prepared set.
        folder: of the run.
        val_fraction: share of each class that is kept for validation.
        seed: chooses those pictures.
        side: see `open_pictures`, like `fit`.
        fit: how a picture becomes a square.

    Raises:
        DataError: nothing there, or nothing that a classifier can learn from.
    """
    splits = folder / SPLITS
    if splits.exists():
        return _both(splits, side, fit)
    if is_prepared(data):
        return _alike(data, _both(data, side, fit))
    source = open_pictures(data, None, side, fit)
    if isinstance(source, FolderPictures):
        listing = split(source.listing, val_fraction, seed)
        require_trainable(listing)
        write_splits(listing, splits)
        return _both(splits, side, fit)
    return _alike(data, _tars(data, source, val_fraction, seed, side, fit))


def _both(source: Path, side: int, fit: Fit) -> Material:
    return Material(open_pictures(source, "train", side, fit), open_pictures(source, "val", side, fit))


def _tars(data: Path, source: Pictures, val_fraction: float, seed: int, side: int, fit: Fit) -> Material:
    """Tar files named for their splits, or all of them split like files."""
    try:
        return _both(data, side, fit)
    except DataError:
        assigned = _assigned(data, source, val_fraction, seed)
        halves = {name: np.flatnonzero(assigned == name) for name in ("train", "val")}
        return Material(Subset(source, halves["train"]), Subset(source, halves["val"]))


def _assigned(data: Path, source: Pictures, val_fraction: float, seed: int) -> np.ndarray:
    """The split (N,) of each picture."""
    rows = Rows()
    for index, label in enumerate(source.labels.tolist()):
        rows.add(source.name(index), label, "")
    return split(rows.listing(data, source.classes), val_fraction, seed).split


def _alike(data: Path, material: Material) -> Material:
    """The material, if both of its splits have the same classes, two or more, and a label on every picture.

    Raises:
        DataError: says which of these does not hold.
    """
    train, val = material.train, material.val
    if train.classes != val.classes:
        odd = sorted(set(train.classes) ^ set(val.classes))
        raise DataError(f"{data}: not in both splits: {some(odd)}. Training and validation need the same classes.")
    if len(train.classes) < 2:
        raise DataError(f"{data}: {len(train.classes)} class only. A classifier needs two or more.")
    names: tuple[Split, ...] = ("train", "val")
    for name, pictures in zip(names, (train, val), strict=True):
        unlabelled = np.flatnonzero(pictures.labels < 0)
        if len(unlabelled):
            raise DataError(
                f"{data}: {len(unlabelled)} {name} pictures have no label, {pictures.name(int(unlabelled[0]))} first."
            )
    return material
