"""Where on a picture the network looks: what it loses when a gray patch covers a place.

Source: Zeiler and Fergus 2014, sec. 4.2.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from alexnet.data.picture import to_square
from alexnet.data.views import center_offset
from alexnet.errors import UsageError
from alexnet.inference.classifier import Classifier
from alexnet.inference.squares import center_pixels

GRAY = 128
# Five tones of cividis: dark blue to yellow, even steps of lightness, the same to colour-blind eyes.
TONES = np.array([[0, 34, 78], [67, 78, 108], [125, 124, 120], [188, 175, 111], [254, 232, 56]], np.float64)
HEAT_SHARE = 0.55  # of the heat's colours in an overlay; the rest is the picture in gray


def occlusion_map(
    classifier: Classifier,
    picture: Image.Image,
    patch: int | None = None,
    stride: int | None = None,
    batch_size: int = 64,
    target: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Return how much a class loses under a patch: (size, size) float64, the pixels of the centre view.

    A value is the drop in probability, averaged over all patches that cover the pixel; below zero where the network
    is surer without it.

    Args:
        classifier: see `load`.
        picture: upright and RGB, as `read_picture` gives it.
        patch: side of the patch in pixels of the view; None is a sixth of the view.
        stride: from one patch to the next; None is half a patch.
        batch_size: patches in one pass through the network.
        target: index of the class; None is the likeliest one.
        progress: called with (patches done, patches in all).

    Raises:
        UsageError: the patch does not fit, or the stride leaves pixels uncovered.
    """
    size = classifier.preprocessing.size
    patch = patch or max(1, size // 6)
    stride = stride or max(1, patch // 2)
    if not 1 <= stride <= patch <= size:
        raise UsageError(f"patch is {patch} and stride {stride}; expected 1 <= stride <= patch <= {size} pixels.")
    square = to_square(picture, classifier.preprocessing.resize, classifier.preprocessing.fit)
    image = torch.from_numpy(square).permute(2, 0, 1)  # (3, S, S)
    whole = classifier.probs(image[None])[0]  # (K,)
    target = int(whole.argmax()) if target is None else target
    offset = center_offset(image.shape[-1], size)
    heat, cover = np.zeros((size, size)), np.zeros((size, size))
    every = list(product(_steps(size, patch, stride), repeat=2))
    for first in range(0, len(every), batch_size):
        places = every[first : first + batch_size]
        covered = torch.stack([_covered(image, offset + top, offset + left, patch) for top, left in places])
        drops = (whole - classifier.probs(covered))[:, target].tolist()
        for (top, left), drop in zip(places, drops, strict=True):
            heat[top : top + patch, left : left + patch] += drop
            cover[top : top + patch, left : left + patch] += 1
        if progress is not None:
            progress(first + len(places), len(every))
    return np.asarray(heat / cover)


def overlay(classifier: Classifier, picture: Image.Image, heat: np.ndarray) -> Image.Image:
    """Lay a map of `occlusion_map` over the part of the picture that the network looked at; yellow matters most."""
    view = Image.fromarray(center_pixels(classifier.preprocessing, picture)).convert("L").convert("RGB")
    shares = heat.clip(min=0) / max(heat.max(), np.finfo(np.float64).tiny)
    return Image.blend(view, Image.fromarray(colored(shares)), HEAT_SHARE)


def colored(shares: np.ndarray) -> np.ndarray:
    """Colours of values in 0..1: (H, W) to (H, W, 3) uint8, cividis."""
    places = np.linspace(0, 1, len(TONES))
    planes = [np.interp(shares, places, TONES[:, plane]) for plane in range(3)]
    return np.asarray(np.rint(np.stack(planes, axis=-1)).astype(np.uint8))


def _steps(size: int, patch: int, stride: int) -> list[int]:
    """Where patches begin; the last ends at the edge, so that every pixel is covered."""
    return sorted({*range(0, size - patch, stride), size - patch})


def _covered(image: Tensor, top: int, left: int, patch: int) -> Tensor:
    covered = image.clone()
    covered[:, top : top + patch, left : left + patch] = GRAY
    return covered
