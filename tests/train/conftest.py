"""Drawn textures: stripes whose direction is the class, so that a small network can learn them in seconds."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def stripes(angle: float, number: int, side: int) -> np.ndarray:
    """Picture `number` of a class, (side, side, 3) uint8: no two alike, and the same on every machine."""
    y, x = np.mgrid[:side, :side]
    width, phase = 0.3 + 0.02 * (number * 7 % 11), 0.7 * number
    wave = np.sin(width * (x * np.cos(angle) + y * np.sin(angle)) + phase)
    noise = (x * 7 + y * 13 + x * y * (number + 3)) % 41 - 20
    gray = 127 + 80 * wave + noise
    return np.stack([gray, gray * 0.9, gray * 0.8 + 10], axis=2).round().clip(0, 255).astype(np.uint8)


def draw_textures(folder: Path, classes: int = 3, each: int = 16, side: int = 80, first: int = 0) -> Path:
    for index in range(classes):
        place = folder / f"stripes{index}"
        place.mkdir(parents=True)
        for number in range(first, first + each):
            Image.fromarray(stripes(np.pi * index / classes, number, side)).save(place / f"{number:03}.png")
    return folder


@pytest.fixture(scope="session")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 16 pictures, 80x80: the side that the tiny lineage cuts its views from."""
    return draw_textures(tmp_path_factory.mktemp("pictures") / "textures")


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes, in other directions but for the first."""
    return draw_textures(tmp_path_factory.mktemp("pictures") / "others", classes=4, each=15, first=40)
