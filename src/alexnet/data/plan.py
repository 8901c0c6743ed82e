"""What a prepared set is made from and how: two runs of `prepare` with equal plans make equal bytes."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from alexnet.data.chance import permutation
from alexnet.data.listing import ENCODING, Listing, Split, require_trainable
from alexnet.data.split import split
from alexnet.errors import DataError, UsageError
from alexnet.lineages.spec import Fit

Format = Literal["jpeg", "raw"]
SPLITS: tuple[Split, ...] = get_args(Split)
VERSION = 1  # of the files on disk; another number is another layout or other pixels


@dataclass(frozen=True)
class Plan:
    """Everything that decides the bytes of a prepared set.

    Attributes:
        size: side of the stored squares in pixels.
        source_sha256: of the listing, see `listing_sha256`.
    """

    format: Format
    size: int
    fit: Fit
    val_fraction: float
    seed: int
    shard_pictures: int
    source_sha256: str
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.format not in get_args(Format):
            raise UsageError(f"format is {self.format!r}; expected one of {', '.join(get_args(Format))}.")
        if self.fit not in get_args(Fit):
            raise UsageError(f"fit is {self.fit!r}; expected one of {', '.join(get_args(Fit))}.")
        if self.size < 1 or self.shard_pictures < 1:
            raise UsageError(f"size is {self.size} and shard_pictures {self.shard_pictures}; expected 1 or more.")
        if not 0 <= self.val_fraction < 1:
            raise UsageError(f"val_fraction is {self.val_fraction}; expected a share of the pictures, 0 to below 1.")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; other keys are left alone.

        Raises:
            DataError: a key is missing, or the files are of another version.
        """
        missing = [field.name for field in fields(cls) if field.name not in values]
        if missing:
            raise DataError(f"{', '.join(missing)} is missing")
        if values["version"] != VERSION:
            raise DataError(f"version is {values['version']}; this program reads version {VERSION}")
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    def differences(self, other: "Plan") -> list[str]:
        """What this plan has that `other` has not, for a person: "size 256, not 224"."""
        mine, theirs = self.to_json(), other.to_json()
        if mine.pop("source_sha256") != theirs.pop("source_sha256"):
            return ["other pictures: files were added, removed or changed, or the source is another"]
        return [f"{key} {mine[key]}, not {theirs[key]}" for key in mine if mine[key] != theirs[key]]


@dataclass(frozen=True, eq=False)
class ShardTask:
    """One shard to make: its name, and which pictures of the listing it holds.

    Attributes:
        first: position of the first picture in the split's order.
    """

    name: str
    split: Split
    first: int
    indices: npt.NDArray[np.int64]


def listing_sha256(listing: Listing) -> str:
    """Digest of what a source lists: classes, and each picture's name, label, given split and size in bytes.

    The contents are not read: that would cost as much as preparing them. In order, each item ended by a zero byte:
    the number of classes, the classes, then for each picture "SIZE LABEL SPLIT " and its name; -1 for no such file.
    """
    digest = hashlib.sha256()
    for item in (str(len(listing.classes)), *listing.classes):
        digest.update(item.encode(*ENCODING) + b"\0")
    for index in range(len(listing)):
        figures = f"{_size(listing, index)} {listing.labels[index]} {listing.split[index]} "
        digest.update(figures.encode("ascii") + listing.name_bytes(index) + b"\0")
    return digest.hexdigest()


def shard_tasks(listing: Listing, plan: Plan) -> tuple[ShardTask, ...]:
    """Share the pictures out: each split in shards, training pictures shuffled so that every stretch mixes the classes.

    Raises:
        DataError: one class only, a picture without a label, a class without a picture for training.
    """
    if plan.val_fraction:
        listing = split(listing, plan.val_fraction, plan.seed)
    require_trainable(listing)
    is_val = listing.split == "val"
    train, val = np.flatnonzero(~is_val), np.flatnonzero(is_val)
    shuffled = train[permutation(plan.seed, 0, len(train))]
    return (*_cut("train", shuffled, plan), *_cut("val", val, plan))


def _cut(split: Split, indices: npt.NDArray[np.int64], plan: Plan) -> list[ShardTask]:
    starts = range(0, len(indices), plan.shard_pictures)
    return [
        ShardTask(f"{split}-{number:05d}", split, first, indices[first : first + plan.shard_pictures])
        for number, first in enumerate(starts)
    ]


def _size(listing: Listing, index: int) -> int:
    try:
        return listing.path(index).stat().st_size
    except OSError:
        return -1
