"""What pictures lie in a folder of class folders; the door to lists in CSV and JSONL too.

    pets/cat/1.jpg            pets/train/cat/1.jpg
    pets/dog/old/1.png        pets/val/cat/2.jpg

A class is a folder, not what lies below it: old/ is part of dog.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from alexnet.data.listing import SPLIT_NAMES, Listing, Rows, require_trainable, some
from alexnet.data.lists import LIST_SUFFIXES, read_list
from alexnet.errors import DataError

__all__ = ["Listing", "require_trainable", "scan"]

# HEIC cannot be read; it is here so that such a picture is named as unreadable, not passed over in silence.
PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
    | {".pbm", ".pnm", ".jp2", ".avif", ".heic", ".heif"}
)

LAYOUT = (
    "Expected one folder per class with its pictures inside: {0}/cat/1.jpg and {0}/dog/1.jpg, "
    "or the same below {0}/train and {0}/val. Or give a .csv or .jsonl list of `path` and `label`."
)


def scan(source: Path) -> Listing:
    """The pictures of a folder or of a list, in the same order on every machine.

    A class is the first folder level, or the second where the first is train/ and val/ (or valid/, validation/,
    test/); pictures in folders below belong to it. Names are sorted as text. Files that are hidden or have no
    picture's suffix are counted and passed over.

    Args:
        source: a folder, a .csv or a .jsonl file.

    Raises:
        DataError: nothing there, no class folders, a class without pictures, a line that cannot be read.
    """
    if source.is_dir():
        return _scan_folder(source)
    if not source.exists():
        raise DataError(f"{source}: no such file or folder. {LAYOUT.format('FOLDER')}")
    if source.suffix.lower() in LIST_SUFFIXES:
        return read_list(source)
    raise DataError(f"{source}: not a folder of pictures. {LAYOUT.format('FOLDER')}")


def is_picture(name: str) -> bool:
    """Whether a file's name is that of a visible picture."""
    last = name[name.rfind("/") + 1 :]
    return not last.startswith(".") and last[last.rfind(".") :].lower() in PICTURE_SUFFIXES


def _scan_folder(root: Path) -> Listing:
    splits, unused = _split_folders(root)
    folders = {
        prefix + name: (name.rstrip("/"), split) for prefix, split in splits.items() for name in _folders(root / prefix)
    }
    classes = sorted({name for name, _ in folders.values()})
    index = {name: label for label, name in enumerate(classes)}
    loose = [key for prefix in {"", *splits} for key in _sorted_keys(root / prefix) if not key.endswith("/")]
    rows, ignored = Rows(), len(loose)
    for prefix in sorted(folders):
        name, split = folders[prefix]
        above = (_identity(root), _identity((root / prefix).parent))
        for file in _files(root, prefix, above):
            if is_picture(file):
                rows.add(file, index[name], split)
            else:
                ignored += 1
    listing = rows.listing(root, classes, ignored, unused)
    _require_pictures(listing)
    return listing


def _split_folders(root: Path) -> tuple[dict[str, str], list[str]]:
    """Which folders hold which split, as {"train/": "train", "valid/": "val"}, and which folders are not used.

    A class can be called train too. So folders are splits when all of them have a split's name, or when there is
    one for training and one for validation.
    """
    folders = _folders(root)
    named = {folder: SPLIT_NAMES[_plain(folder)] for folder in folders if _plain(folder) in SPLIT_NAMES}
    if not named or (len(named) < len(folders) and set(named.values()) != {"train", "val"}):
        return {"": ""}, []
    best: dict[str, str] = {}
    for folder in sorted(named, key=lambda folder: list(SPLIT_NAMES).index(_plain(folder))):
        best.setdefault(named[folder], folder)
    return {folder: split for split, folder in best.items()}, [f for f in folders if f not in best.values()]


def _plain(folder: str) -> str:
    return folder.rstrip("/").lower()


def _folders(folder: Path) -> list[str]:
    return [key for key in _sorted_keys(folder) if key.endswith("/") and not key.startswith((".", "__MACOSX"))]


def _files(root: Path, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    """All files below a folder, by their names from `root`, sorted; a link to a folder above leads nowhere."""
    here = _identity(root / prefix)
    if here in above:
        return
    for key in _sorted_keys(root / prefix):
        if key.endswith("/") and not key.startswith("."):
            yield from _files(root, prefix + key, (*above, here))
        else:
            yield prefix + key


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _sorted_keys(folder: Path) -> list[str]:
    """What a folder holds, folders with a slash at the end: walking in this order gives full names in sorted order."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name + "/" if entry.is_dir() else entry.name for entry in entries)
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read ({error.strerror}).") from error


def _require_pictures(listing: Listing) -> None:
    root, passed_over = listing.root, f"{listing.ignored} other files were passed over. " if listing.ignored else ""
    if not listing.classes:
        loose = sum(map(is_picture, _sorted_keys(root)))
        found = f"{loose} pictures, but no class folders" if loose else "no class folders"
        raise DataError(f"{root}: {found}. {LAYOUT.format(root)}")
    if not len(listing):
        raise DataError(f"{root}: no pictures. {passed_over}{LAYOUT.format(root)}")
    empty = np.flatnonzero(listing.counts() == 0)
    if len(empty):
        raise DataError(
            f"{root}: no pictures in the class folders {some(listing.classes[k] for k in empty)}. {passed_over}"
            f"Put pictures in ({' '.join(sorted(PICTURE_SUFFIXES))}), or remove the folders."
        )
