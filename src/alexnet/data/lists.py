"""Pictures listed in a file: CSV with the columns path, label and perhaps split, or JSONL with those keys.

Paths are relative to the list's folder. Labels are class names; an empty one is no label.
"""

import csv
import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from alexnet.data.durable import written_aside
from alexnet.data.listing import ENCODING, SPLIT_NAMES, UNLABELLED, Listing, Rows
from alexnet.errors import DataError

LIST_SUFFIXES = (".csv", ".jsonl")
COLUMNS = ("path", "label", "split")
NEEDS_QUOTES = re.compile(r'[,"\r\n]|^\s|\s$')
SAMPLE = 20  # pictures looked for before a list is believed

Row = tuple[int, dict[str, Any]]  # number of the line, cells


def read_list(path: Path) -> Listing:
    """The pictures of a list, in its order; an empty `split` stays open.

    Raises:
        DataError: names the line and what is wrong with it; or none of the pictures is there.
    """
    read = _json_rows if path.suffix.lower() == ".jsonl" else _csv_rows
    rows = Rows()
    found: dict[str, int] = {}  # label -> its number in order of appearance
    try:
        for line, cells in read(path):
            label = _label(path, line, cells)
            code = found.setdefault(label, len(found)) if label else UNLABELLED
            rows.add(_name(path, line, cells), code, _split(path, line, cells))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    classes = sorted(found)
    listing = rows.listing(path.parent, classes)
    index = np.argsort([found[name] for name in classes]).astype(np.int32)  # by number: the place in sorted order
    index = np.append(index, np.int32(UNLABELLED))  # which is number -1, the last
    listing = replace(listing, labels=index[listing.labels])
    _require_found(path, listing)
    _require_unique(path, listing)
    return listing


def write_list(listing: Listing, path: Path) -> None:
    """Write a CSV that `read_list` turns into the same pictures.

    Paths are relative where the pictures lie beside or below the file, else absolute.
    """
    root, folder = listing.root.resolve(), path.parent.resolve()
    prefix = (root.relative_to(folder) if root.is_relative_to(folder) else root).as_posix()
    with written_aside(path) as file:
        file.write(b"path,label,split\n")
        for i, (label, split) in enumerate(zip(listing.labels.tolist(), listing.split.tolist(), strict=True)):
            name = listing.name(i) if prefix == "." else posixpath.join(prefix, listing.name(i))
            cells = (name, "" if label == UNLABELLED else listing.classes[label], split)
            file.write((",".join(map(_quoted, cells)) + "\n").encode(*ENCODING))


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, strict=True, skipinitialspace=True)
        try:
            header = [cell.strip() for cell in next(reader, [])]
            _require_columns(path, 1, header)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    raise DataError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells, but the header has {len(header)}. "
                        'A path with a comma in it must stand in quotes: "a,b.jpg".'
                    )
                yield reader.line_num, dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise DataError(f"{path}, line {reader.line_num}: not CSV ({error}).") from error


def _json_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                cells = json.loads(text)
            except ValueError as error:
                raise DataError(f"{path}, line {line}: not JSON ({error}).") from error
            if not isinstance(cells, dict):
                raise DataError(f'{path}, line {line}: not an object. Expected {{"path": ..., "label": ...}}.')
            _require_columns(path, line, list(cells))
            yield line, cells


def _require_columns(path: Path, line: int, columns: list[str]) -> None:
    unknown = sorted(set(columns) - set(COLUMNS))
    missing = [name for name in COLUMNS[:2] if name not in columns]
    if unknown or missing or len(set(columns)) < len(columns):
        found = ", ".join(repr(name) for name in columns) or "nothing"
        raise DataError(f"{path}, line {line}: found {found}; expected path, label and, if you like, split.")


def _name(path: Path, line: int, cells: dict[str, Any]) -> str:
    name = cells["path"]
    if not isinstance(name, str) or not name or "\0" in name:
        raise DataError(f"{path}, line {line}: path is {name!r}; expected where the picture lies from {path.parent}.")
    if "\\" in name and not (path.parent / name).exists():  # written on Windows
        name = name.replace("\\", "/")
    return PurePosixPath(name).as_posix() if "./" in name or "//" in name else name


def _label(path: Path, line: int, cells: dict[str, Any]) -> str:
    label = cells["label"]
    if isinstance(label, int) and not isinstance(label, bool):
        label = str(label)
    if label is not None and not isinstance(label, str):
        raise DataError(f"{path}, line {line}: label is {label!r}; expected the name of a class.")
    return label or ""


def _split(path: Path, line: int, cells: dict[str, Any]) -> str:
    split = cells.get("split")
    name = "" if split is None else str(split).strip().lower()
    if name and name not in SPLIT_NAMES:
        raise DataError(f"{path}, line {line}: split is {split!r}; expected train, val or nothing.")
    return SPLIT_NAMES.get(name, "")


def _require_found(path: Path, listing: Listing) -> None:
    if not len(listing):
        raise DataError(f"{path}: no pictures are listed.")
    sample = range(min(SAMPLE, len(listing)))
    if not any(listing.path(i).exists() for i in sample):
        raise DataError(
            f"{path}: none of the first {len(sample)} pictures exists, such as {listing.path(0)}. "
            "Paths are relative to the folder of the list: move the list, or correct its paths."
        )


def _require_unique(path: Path, listing: Listing) -> None:
    """A picture listed twice could be trained on and validated with."""
    hashes = np.fromiter((hash(listing.name_bytes(i)) for i in range(len(listing))), np.int64, len(listing))
    order = np.argsort(hashes, kind="stable")
    for at in np.flatnonzero(np.diff(hashes[order]) == 0):
        first, second = order[at], order[at + 1]
        if listing.name_bytes(first) == listing.name_bytes(second):
            raise DataError(f"{path}: {listing.name(first)} is listed twice. List each picture once.")


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if NEEDS_QUOTES.search(cell) else cell
