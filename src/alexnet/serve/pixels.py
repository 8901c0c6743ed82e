"""Pictures inside JSON: PNG in base64.

H rows, W columns.
"""

import base64
import io

import numpy as np
from PIL import Image


def encoded(pixels: np.ndarray) -> str:
    """Pixels as PNG in base64; see `png`."""
    return base64.b64encode(png(pixels)).decode()


def png(pixels: np.ndarray) -> bytes:
    """Pixels (H, W), (H, W, 3) or (H, W, 4), uint8, as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=3)
    return file.getvalue()


def jpeg(picture: Image.Image) -> bytes:
    """An RGB picture as a JPEG file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def levels(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values as gray levels: `low` is 0, `high` is 255, what lies outside is cut, NaN is 0."""
    shares = (np.nan_to_num(values, nan=low) - low) / ((high - low) or 1)
    return np.asarray(np.rint(255 * shares.clip(0, 1)), np.uint8)
