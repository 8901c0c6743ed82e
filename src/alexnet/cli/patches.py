"""A small data set for the demo: squares cut from the packaged photos, one class per photo.

Training squares come from the left of each photo, validation squares from the right of it, with no pixel in common.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from alexnet.data.chance import draws
from alexnet.data.picture import read_picture
from alexnet.inference.sources import PHOTOS, photo_files

TRAIN_SHARE = 0.6  # of a photo's width
SIDE_PX = 96
JPEG_QUALITY = 92


def cut_patches(destination: Path, train: int, val: int, seed: int, side: int = SIDE_PX) -> Path:
    """Write `train` and `val` squares of each photo below destination/train/CLASS and destination/val/CLASS.

    The same seed gives the same files again.
    """
    for number, file in enumerate(photo_files()):
        photo = read_picture(file)
        left, right = halves(photo, side)
        for split, part, count in (("train", left, train), ("val", right, val)):
            folder = destination / split / file.stem
            folder.mkdir(parents=True, exist_ok=True)
            chances = draws(seed, number, 0 if split == "train" else train, count, 2)  # (count, 2)
            for i, place in enumerate(chances):
                square(part, place, side).save(folder / f"{file.stem}-{i:03}.jpg", quality=JPEG_QUALITY)
    return destination


def halves(photo: Image.Image, side: int) -> tuple[Image.Image, Image.Image]:
    """The part to learn from and the part to check with; each at least `side` wide."""
    border = min(round(TRAIN_SHARE * photo.width), photo.width - side)
    return photo.crop((0, 0, border, photo.height)), photo.crop((border, 0, photo.width, photo.height))


def square(part: Image.Image, place: np.ndarray, side: int) -> Image.Image:
    """A square of a picture; `place` (2,) in 0..1 says where, across and down."""
    left, top = (int(share * (size - side + 1)) for share, size in zip(place, part.size, strict=True))
    return part.crop((left, top, left + side, top + side))


def mixed_picture(side: int = SIDE_PX) -> Image.Image:
    """A cat's eye with a square of grass laid over it, from the parts that are for validation."""
    eye, grass = (halves(read_picture(PHOTOS / name), side)[1] for name in ("chelsea.jpg", "grass.jpg"))
    picture = square(eye, np.array([0.5, 0.5]), side)
    picture.paste(square(grass, np.array([0.4, 0.3]), side * 2 // 5), (side * 9 // 20, side * 9 // 20))
    return picture
