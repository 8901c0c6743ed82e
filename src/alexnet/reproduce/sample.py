"""A few pictures of each class as a folder of PNG files, whatever holds the whole set."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from alexnet.data.listing import Split
from alexnet.data.source import open_pictures

SPLITS: tuple[Split, ...] = ("train", "val")


def write_sample(data: Path, folder: Path, classes: int, per_class: int, side: int = 64) -> Path:
    """Write the first pictures of the first classes, `per_class` to learn from and a quarter as many to be tested on.

    Args:
        data: what `open_pictures` reads, with both splits.
        folder: what is there is kept, for it appears only when it is whole.
        classes: 0: all.
        per_class: pictures.
        side: of the squares; a prepared set keeps its own.

    Raises:
        DataError: the data cannot be read, or lacks a split.
    """
    if folder.exists():
        return folder
    aside = folder.with_name(folder.name + ".partial")
    shutil.rmtree(aside, ignore_errors=True)
    for split, count in zip(SPLITS, (per_class, max(1, per_class // 4)), strict=True):
        pictures = open_pictures(data, split, side, "short")
        for label in range(min(classes or len(pictures.classes), len(pictures.classes))):
            home = aside / split / f"class-{label:03}"
            home.mkdir(parents=True)
            for index in np.flatnonzero(pictures.labels == label)[:count]:
                Image.fromarray(pictures.read(int(index))).save(home / f"{index}.png")
    aside.rename(folder)
    return folder
