"""Tar files that others made: WebDataset shards, or plain tars of one folder per class.

The headers are read once, about 30 microseconds a member, and become the same index that our own shards carry.
"""

import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath

import numpy as np

from alexnet.data.shard_index import Row, Shard, make_index
from alexnet.data.tar_shards import TarPictures
from alexnet.errors import DataError
from alexnet.lineages.spec import Fit

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})
JSON_KEYS = ("cls", "label", "class")
MAX_CLASS_INDEX = 1_000_000  # a larger number is an identifier, and read as a name


def open_tars(paths: Iterable[Path], side: int = 256, fit: Fit = "short") -> TarPictures:
    """Open tar files by their headers.

    A picture's class is what its sample's `.cls` file says, else "cls", "label" or "class" in its `.json` file, else
    the folder it lies in. Class indices keep their value and are their own names; names are numbered in order.

    Raises:
        DataError: a file is no tar file, is compressed, or there is no picture in any.
    """
    names = _Names()
    scanned = [(path, _scan(path, names)) for path in paths]
    classes, indices = names.resolve()
    shards = []
    for path, rows in scanned:
        index = make_index(rows)
        index["label"] = indices[index["label"]]
        shards.append(Shard(path, index))
    if not sum(len(shard.index) for shard in shards):
        raise DataError(f"there is no picture in {', '.join(str(path) for path, _ in scanned) or 'no tar file'}.")
    return TarPictures(shards, classes, side, fit)


@dataclass
class _Names:
    """The labels met so far, numbered as they come: millions of pictures share a thousand strings."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, label: str | None) -> int:
        return -1 if label is None else self.numbers.setdefault(label, len(self.numbers))

    def resolve(self) -> tuple[tuple[str, ...], np.ndarray]:
        """The classes, and the class index of each number; the last entry answers to -1, no label."""
        names = list(self.numbers)
        if names and all(name.isdecimal() and int(name) <= MAX_CLASS_INDEX for name in names):
            values = [int(name) for name in names]
            classes = tuple(str(value) for value in range(max(values) + 1))
        else:
            classes = tuple(sorted(names))
            ranks = {name: rank for rank, name in enumerate(classes)}
            values = [ranks[name] for name in names]
        return classes, np.array([*values, -1], np.int32)


def _scan(path: Path, names: _Names) -> list[Row]:
    """The pictures of one tar file, their labels numbered by `names`."""
    rows: list[Row] = []
    try:
        with tarfile.open(path, "r:") as tar:
            for _, members in groupby(_files(tar), key=_key):
                rows += _sample(tar, list(members), names)
    except (OSError, tarfile.TarError) as cause:
        raise DataError(
            f"{path} cannot be read as a tar file: {cause}. Copy it again, or unpack it to .tar "
            "if it is compressed: that has no random access."
        ) from cause
    return rows


def _files(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while member := tar.next():
        if member.isfile():
            yield member
        tar.members.clear()  # type: ignore[attr-defined]  # it keeps every header, 1 GB for a million of them
    _require_end(tar)


def _require_end(tar: tarfile.TarFile) -> None:
    """Refuse a file with more behind its last readable header; tarfile takes that for the end and says nothing."""
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError(f"no valid header at byte {tar.offset}")


def _key(member: tarfile.TarInfo) -> str:
    """What the files of one sample have in common: all up to the first dot of the last part."""
    path = PurePosixPath(member.name)
    return str(path.parent / path.name.split(".", 1)[0])


def _sample(tar: tarfile.TarFile, members: list[tarfile.TarInfo], names: _Names) -> Iterator[Row]:
    pictures = [member for member in members if PurePosixPath(member.name).suffix.lower() in PICTURES]
    if pictures:
        label = names.number(_label(tar, members, PurePosixPath(pictures[0].name)))
        for member in pictures:
            yield member.offset_data, member.size, label, member.name.encode("utf-8", "surrogateescape")


def _label(tar: tarfile.TarFile, members: list[tarfile.TarInfo], picture: PurePosixPath) -> str | None:
    texts = {PurePosixPath(member.name).suffix.lower(): member for member in members}
    if ".cls" in texts:
        return _text(tar, texts[".cls"]).strip()
    if ".json" in texts:
        return _json_label(_text(tar, texts[".json"]), f"{texts['.json'].name} in {tar.name!s}")
    return picture.parent.name or None


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member)
    assert file is not None, f"{member.name} is a file"
    return file.read().decode("utf-8", "replace")


def _json_label(text: str, name: str) -> str | None:
    try:
        values = json.loads(text)
    except ValueError as cause:
        raise DataError(f"{name} is not JSON: {cause}.") from cause
    found = [values[key] for key in JSON_KEYS if isinstance(values, dict) and key in values]
    return str(found[0]) if found else None
