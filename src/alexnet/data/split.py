"""Which pictures to learn from and which to check with, the same for the same seed."""

import hashlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from alexnet.data.listing import Listing
from alexnet.data.lists import write_list
from alexnet.errors import DataError, UsageError


def split(listing: Listing, val_fraction: float, seed: int) -> Listing:
    """The listing with every labelled picture in "train" or "val".

    In each class the share `val_fraction` is for validation, at least one picture and never all. Pictures that the
    source has put in a split stay there, and only the open ones are assigned; a source with a training split alone
    (train/ without val/) counts as open.

    A picture's rank is a keyed hash of its name, so that it does not depend on the pictures around it: one more
    picture moves at most one other, and none in another class.

    Raises:
        UsageError: `val_fraction` is not between 0 and 1.
        DataError: a class has too few open pictures for both splits.
    """
    if not 0 < val_fraction < 1:
        raise UsageError(f"The validation fraction is {val_fraction}; it must lie between 0 and 1, such as 0.1.")
    assigned = listing.split.copy()
    if np.all(assigned == "train"):
        assigned[:] = ""
    order = np.lexsort((_ranks(listing, seed), listing.labels))
    bounds = np.searchsorted(listing.labels[order], np.arange(len(listing.classes) + 1))
    for name, (start, stop) in zip(listing.classes, pairwise(bounds), strict=True):
        members = order[start:stop]  # of one class, by rank
        if np.any(assigned[members] == ""):
            assigned[members] = _assign(assigned[members], val_fraction)
            _require_both(listing.root, name, assigned[members])
    return replace(listing, split=assigned)


def write_splits(listing: Listing, path: Path) -> None:
    """Write the CSV path,label,split; `scan` of it gives the same pictures in the same splits."""
    write_list(listing, path)


def _ranks(listing: Listing, seed: int) -> np.ndarray:
    key = str(seed).encode()
    digests = (hashlib.blake2b(listing.name_bytes(i), digest_size=8, key=key).digest() for i in range(len(listing)))
    return np.frombuffer(b"".join(digests), dtype=">u8")


def _assign(splits: np.ndarray, val_fraction: float) -> np.ndarray:
    """Fill the open places of one class: the first ones are for validation."""
    places = np.flatnonzero(splits == "")
    wanted = max(1, round(val_fraction * len(splits))) - np.sum(splits == "val")
    most = len(places) if np.any(splits == "train") else len(places) - 1
    filled = splits.copy()
    filled[places] = "train"
    filled[places[: max(0, min(wanted, most))]] = "val"
    return filled


def _require_both(root: Path, name: str, splits: np.ndarray) -> None:
    for needed in ("train", "val"):
        if needed not in splits:
            raise DataError(
                f"{root}: class {name!r} has no picture left for {needed!r}, {len(splits)} in all. "
                "A class needs one to learn from and one to check with: add pictures, or remove the class."
            )
