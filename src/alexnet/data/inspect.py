"""What there is to know about a source of pictures before training on it. Every picture is decoded once."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.data.folder import Listing, require_trainable, scan
from alexnet.data.ordered import ordered_map
from alexnet.data.picture import open_picture, orientation, read_bytes, read_picture
from alexnet.data.split import split
from alexnet.errors import DataError, UnreadablePicture


@dataclass(frozen=True)
class ClassCount:
    """Pictures of one class, in all and in the proposed split."""

    name: str
    pictures: int
    train: int
    val: int


@dataclass(frozen=True)
class Spread:
    """A distribution in three numbers."""

    min: int
    median: float
    max: int


@dataclass(frozen=True)
class Unreadable:
    name: str
    reason: str


@dataclass(frozen=True)
class Duplicates:
    """Files with the same bytes.

    Attributes:
        is_conflict: they have different labels.
        is_leak: some are for training, some for validation.
    """

    names: tuple[str, ...]
    is_conflict: bool
    is_leak: bool


@dataclass(frozen=True)
class Inspection:
    """What a source of pictures holds.

    Attributes:
        pictures: how many are listed, the unreadable ones among them.
        classes: with the split that training would use: the source's own, filled up where it leaves open.
        splits: pictures by the split that the source gives them; "" is none.
        ignored: files passed over: hidden, or without the suffix of a picture.
        unused: folders passed over.
        width: of the readable pictures as stored, in pixels; None if there are none. The same for `height`.
        turned: pictures that their EXIF turns or mirrors.
        problems: what would stop training, each with its remedy.
    """

    source: str
    pictures: int
    classes: tuple[ClassCount, ...]
    splits: dict[str, int]
    ignored: int
    unused: tuple[str, ...]
    width: Spread | None
    height: Spread | None
    formats: dict[str, int]
    modes: dict[str, int]
    turned: int
    unreadable: tuple[Unreadable, ...]
    duplicates: tuple[Duplicates, ...]
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def inspect(
    source: str | Path,
    val_fraction: float = 0.1,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Look at every picture of a folder or list, and at the split that `val_fraction` and `seed` give.

    `progress` is called with (done, total) after each picture; `workers` are threads, by default one for each core.

    Raises:
        DataError: there is no listing to inspect, see `scan`.
    """
    listing = scan(Path(source))
    assigned, problems = _proposed(listing, val_fraction, seed)
    census = _Census(len(listing))
    for i, facts in enumerate(ordered_map(partial(_look_at, listing), range(len(listing)), workers)):
        census.add(i, facts)
        if progress:
            progress(i + 1, len(listing))
    shares = zip(listing.classes, listing.counts(), assigned.counts("train"), assigned.counts("val"), strict=True)
    return Inspection(
        source=str(source),
        pictures=len(listing),
        classes=tuple(ClassCount(name, int(total), int(train), int(val)) for name, total, train, val in shares),
        splits=dict(Counter(listing.split.tolist())),
        ignored=listing.ignored,
        unused=listing.unused,
        width=census.spread(0),
        height=census.spread(1),
        formats=dict(census.formats.most_common()),
        modes=dict(census.modes.most_common()),
        turned=census.turned,
        unreadable=tuple(Unreadable(listing.name(i), reason) for i, reason in census.refused.items()),
        duplicates=tuple(_duplicates(assigned, group) for group in census.groups()),
        problems=problems,
    )


@dataclass(frozen=True)
class _Facts:
    """One picture; a refused one has only its `reason`."""

    reason: str = ""
    digest: bytes = bytes(32)
    format: str = ""
    mode: str = ""
    size: tuple[int, int] = (0, 0)  # width, height
    is_turned: bool = False


class _Census:
    """What is kept of each picture: 44 bytes in arrays, so that a million of them fit anywhere."""

    def __init__(self, count: int) -> None:
        self.formats: Counter[str] = Counter()
        self.modes: Counter[str] = Counter()
        self.turned = 0
        self.refused: dict[int, str] = {}
        self._sizes = np.zeros((count, 2), np.int32)
        self._digests = np.zeros((count, 4), np.uint64)

    def add(self, i: int, facts: _Facts) -> None:
        if facts.reason:
            self.refused[i] = facts.reason
            return
        self.formats[facts.format] += 1
        self.modes[facts.mode] += 1
        self.turned += facts.is_turned
        self._sizes[i] = facts.size
        self._digests[i] = np.frombuffer(facts.digest, np.uint64)

    def spread(self, axis: int) -> Spread | None:
        values = self._sizes[self._readable(), axis]
        return Spread(int(values.min()), float(np.median(values)), int(values.max())) if len(values) else None

    def groups(self) -> list[np.ndarray]:
        """The indices of readable pictures with equal bytes, two or more at a time."""
        readable = self._readable()
        digests = self._digests[readable]
        order = np.lexsort(digests.T)  # stable: a group keeps the order of the listing
        repeats = ~np.any(np.diff(digests[order], axis=0), axis=1)  # whether the next one has the same bytes
        before, after = np.append(False, repeats), np.append(repeats, False)
        members = np.flatnonzero(before | after)
        starts = np.flatnonzero(~before[members])
        groups = np.split(readable[order[members]], starts[1:]) if len(members) else []
        return sorted(groups, key=lambda group: int(group[0]))

    def _readable(self) -> np.ndarray:
        return np.flatnonzero(self._sizes[:, 0])


def _look_at(listing: Listing, i: int) -> _Facts:
    name = listing.name(i)
    try:
        data = read_bytes(listing.path(i), name)
        with open_picture(data, name) as header:
            facts = _Facts(
                digest=sha256(data).digest(),
                format=header.format or "",
                mode=header.mode,
                size=header.size,
                is_turned=orientation(header) != 1,
            )
        read_picture(data, name)
    except UnreadablePicture as error:
        return _Facts(reason=str(error).removeprefix(f"{name}: "))
    return facts


def _proposed(listing: Listing, val_fraction: float, seed: int) -> tuple[Listing, tuple[str, ...]]:
    """The listing split as training would, and what would stop training."""
    problems = []
    try:
        require_trainable(listing)
    except DataError as error:
        problems.append(str(error))
    try:
        listing = split(listing, val_fraction, seed)
    except DataError as error:
        problems.append(str(error))
    return listing, tuple(problems)


def _duplicates(listing: Listing, group: np.ndarray) -> Duplicates:
    splits = set(listing.split[group].tolist())
    return Duplicates(
        names=tuple(listing.name(i) for i in group),
        is_conflict=len(set(listing.labels[group].tolist())) > 1,
        is_leak={"train", "val"} <= splits,
    )
