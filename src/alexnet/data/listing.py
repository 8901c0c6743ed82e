"""What pictures a source holds: names, classes and splits, about 100 bytes a picture.

A million Python strings, tuples and paths would take half a gigabyte; one block of bytes and three arrays do not.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from alexnet.errors import DataError

Split = Literal["train", "val"]

UNLABELLED = -1
SPLITS = ("", "train", "val")  # "" is for pictures that their source puts in neither

# What a split is called in the wild. Of several folders for one split the first in this order is used.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "val",
    "testing": "val",
}

ENCODING = ("utf-8", "surrogateescape")  # file names need not be UTF-8; this gives back the same bytes


@dataclass(frozen=True, eq=False)
class Listing:
    """The pictures of a source, in a fixed order.

    Attributes:
        root: the folder that names are relative to.
        classes: names in sorted order, over all splits; a picture's label is an index into them.
        labels: (N,) int32, `UNLABELLED` where the source has no label.
        split: (N,) "train", "val" or "".
        names: all names end to end; picture i has the bytes from `offsets[i]` to `offsets[i + 1]`.
        offsets: (N + 1,) int64.
        ignored: files passed over: hidden, or without the suffix of a picture.
        unused: folders passed over, such as test/ beside val/.
    """

    root: Path
    classes: tuple[str, ...]
    labels: np.ndarray
    split: np.ndarray
    names: bytes
    offsets: np.ndarray
    ignored: int = 0
    unused: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same pictures with the same labels and splits; files passed over do not count."""
        if not isinstance(other, Listing):
            return NotImplemented
        return (
            (self.root, self.classes, self.names) == (other.root, other.classes, other.names)
            and np.array_equal(self.offsets, other.offsets)
            and np.array_equal(self.labels, other.labels)
            and np.array_equal(self.split, other.split)
        )

    def __hash__(self) -> int:
        return hash((self.root, self.classes, self.names))

    def name_bytes(self, i: int) -> bytes:
        return self.names[self.offsets[i] : self.offsets[i + 1]]

    def name(self, i: int) -> str:
        """The path of picture i from `root`, with forward slashes."""
        return self.name_bytes(i).decode(*ENCODING)

    def path(self, i: int) -> Path:
        return self.root / self.name(i)

    def counts(self, split: str | None = None) -> np.ndarray:
        """Pictures in each class, of one split or of all: (K,) int64."""
        labels = self.labels if split is None else self.labels[self.split == split]
        return np.bincount(labels[labels != UNLABELLED], minlength=len(self.classes))

    def select(self, indices: Sequence[int] | np.ndarray) -> "Listing":
        """These pictures only, in this order, or those of a mask; classes keep their indices."""
        rows, chosen = Rows(), np.arange(len(self))[indices]
        for i, label, split in zip(chosen, self.labels[chosen].tolist(), self.split[chosen].tolist(), strict=True):
            rows.add(self.name(i), label, split)
        return rows.listing(self.root, self.classes, self.ignored, self.unused)


class Rows:
    """A listing while it is being made."""

    def __init__(self) -> None:
        self._names = bytearray()
        self._offsets = array("q", [0])
        self._labels = array("i")
        self._splits = array("b")

    def __len__(self) -> int:
        return len(self._labels)

    def add(self, name: str, label: int, split: str) -> None:
        self._names += name.encode(*ENCODING)
        self._offsets.append(len(self._names))
        self._labels.append(label)
        self._splits.append(SPLITS.index(split))

    def listing(self, root: Path, classes: Iterable[str], ignored: int = 0, unused: Iterable[str] = ()) -> Listing:
        return Listing(
            root=root,
            classes=_utf8(root, classes),
            labels=np.array(self._labels, dtype=np.int32),
            split=np.array(SPLITS)[np.array(self._splits, dtype=np.int8)],
            names=bytes(self._names),
            offsets=np.array(self._offsets, dtype=np.int64),
            ignored=ignored,
            unused=tuple(unused),
        )


def require_trainable(listing: Listing) -> None:
    """Refuse what no classifier can learn from: one class, missing labels, a class without training pictures."""
    unlabelled = np.flatnonzero(listing.labels == UNLABELLED)
    if len(unlabelled):
        raise DataError(
            f"{listing.root}: {len(unlabelled)} pictures have no label, {listing.name(unlabelled[0])} first. "
            "Training needs a label for each: fill in the `label` column."
        )
    if len(listing.classes) < 2:
        raise DataError(_one_class(listing))
    untaught = np.flatnonzero(listing.counts() == listing.counts("val"))
    if len(untaught):
        raise DataError(
            f"{listing.root}: no training picture for {some(listing.classes[k] for k in untaught)}. "
            "Each class needs pictures in the training split: add them, or remove the class."
        )


def some(names: Iterable[str], most: int = 5) -> str:
    """The first few names and how many more there are, for a message."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _one_class(listing: Listing) -> str:
    (name,) = listing.classes
    message = f"{listing.root}: one class only, {name!r}. A classifier needs two or more, one folder for each."
    outer, *inner = listing.name(0).split("/")[:-1] or [""]
    return f"{message} Did you mean {listing.root / name}?" if outer == name and inner else message


def _utf8(root: Path, classes: Iterable[str]) -> tuple[str, ...]:
    """The names as they are, if they can be written to the files that will hold them."""
    for name in (names := tuple(classes)):
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{root}: the class name {name!r} is not UTF-8. Rename it.") from error
    return names
