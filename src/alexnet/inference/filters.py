"""The kernels of the first layer as a picture: the paper's figure 3."""

import math

import numpy as np
from PIL import Image
from torch import nn

from alexnet.inference.classifier import Classifier

GAP = 1  # transparent, in pixels of a kernel


def kernel_grid(classifier: Classifier, scale: int = 4) -> Image.Image:
    """Draw the first layer's kernels side by side, three columns for two rows, as the paper does: 12 by 8 of 96.

    Zero is mid-gray and the largest weight of any kernel is full colour: kernels can be compared with each other, and
    one that learnt nothing stays gray. The picture is RGBA.

    Args:
        classifier: whose kernels; of BGR networks the colours are put right.
        scale: pixels of the picture per weight.
    """
    tones = kernel_tones(classifier)
    return Image.fromarray(tile_kernels(tones, math.ceil(math.sqrt(len(tones) * 3 / 2)), scale))


def kernel_tones(classifier: Classifier) -> np.ndarray:
    """The first layer's kernels as colours (O, H, W, 3) uint8 RGB: zero is mid-gray, the largest weight of all full."""
    conv = next(module for module in classifier.model.modules() if isinstance(module, nn.Conv2d))
    kernels = conv.weight.detach().float().cpu().numpy().transpose(0, 2, 3, 1)  # (O, H, W, C)
    if classifier.preprocessing.order == "BGR":
        kernels = kernels[..., ::-1]
    if kernels.shape[-1] == 1:
        kernels = kernels.repeat(3, axis=-1)
    tones: np.ndarray = np.rint(127.5 + 127.5 * kernels / (np.abs(kernels).max() or 1)).astype(np.uint8)
    return tones


def tile_kernels(tiles: np.ndarray, columns: int, scale: int) -> np.ndarray:
    """Lay out (N, H, W, 3) in rows of `columns`, `scale` pixels per weight, with a gap around each: RGBA."""
    count, height, width, _ = tiles.shape
    rows = math.ceil(count / columns)
    grid = np.zeros((GAP + rows * (height + GAP), GAP + columns * (width + GAP), 4), np.uint8)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        top, left = GAP + row * (height + GAP), GAP + column * (width + GAP)
        grid[top : top + height, left : left + width] = np.dstack([tile, np.full((height, width), 255, np.uint8)])
    return grid.repeat(scale, axis=0).repeat(scale, axis=1)
