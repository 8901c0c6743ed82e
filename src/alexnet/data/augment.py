"""Random views for training: crop, mirror and the paper's colour noise, as a pure function of uniform numbers.

Each picture owns one row of `draws`, eight numbers in [0, 1) that belong to its position in the epoch's order:

    slot   0         1         2          3           4               5 6 7
    use    mirror    top       left       box area    box shape       colour noise, by the inverse normal distribution

A slot is read or left alone, never shifted, so switching one augmentation off leaves the others as they were.
B images, S stored side.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.data.preprocess import Preprocessing
from alexnet.data.statistics import Statistics
from alexnet.data.views import center_view, require_room
from alexnet.errors import UsageError

DRAWS_PER_PICTURE = 8
MIRROR, TOP, LEFT, AREA, SHAPE, COLOR = 0, 1, 2, 3, 4, slice(5, 8)
LOWEST_RATIO = 3 / 4  # of width to height, and upside down


@dataclass(frozen=True)
class Augmentation:
    """What training does to a picture before the network sees it.

    Attributes:
        crop: "random" cuts exact pixels at any offset of the resized square, all equally likely (paper); "area"
            resamples a box of random area and shape; "center" is the test view.
        flip: mirror with probability 1/2.
        color: PCA colour noise by the square roots of the eigenvalues (what Krizhevsky ran), by the eigenvalues
            on a scale of 0-1 (what the paper prints), or "off".
        color_std: standard deviation of the factors of the noise.
        min_area: smallest share of the picture that "area" takes.
    """

    crop: Literal["random", "area", "center"] = "random"
    flip: bool = True
    color: Literal["sqrt", "eigenvalue", "off"] = "sqrt"
    color_std: float = 0.1
    min_area: float = 0.35

    def __post_init__(self) -> None:
        if not 0 < self.min_area <= 1:
            raise UsageError(f"min_area is {self.min_area}; expected a share of the picture, above 0 and at most 1.")
        if self.color_std < 0:
            raise UsageError(f"color_std is {self.color_std}; expected 0 or more.")


def augment(
    images: Tensor,
    draws: np.ndarray,
    preprocessing: Preprocessing,
    augmentation: Augmentation,
    statistics: Statistics | None,
) -> Tensor:
    """Cut one random view of each picture and make it network input.

    Args:
        images: (B, 3, S, S) uint8 RGB, of any stored side.
        draws: (B, DRAWS_PER_PICTURE) uniform numbers in [0, 1).
        preprocessing: of the network; it sets the side, mean, range and order of the views.
        augmentation: what may happen to a picture.
        statistics: of the training set; only the colour noise reads them.

    Returns:
        (B, 3, size, size) float32 in the order, range and mean of `preprocessing`.

    Raises:
        ImageTooSmall: the view is larger than the square it is cut from.

    Source: Krizhevsky et al. 2012, sec. 4.1.
    """
    assert draws.shape == (len(images), DRAWS_PER_PICTURE), f"draws {draws.shape} for {len(images)} pictures"

    def cut(pictures: Tensor) -> Tensor:
        views = _crop(pictures, draws, preprocessing.size, augmentation)
        if augmentation.flip:
            views = _mirror(views, draws[:, MIRROR] < 0.5)
        if augmentation.color != "off":
            assert statistics is not None, "colour noise needs the statistics of the training set"
            # uint8 + float32 is float32: on 0-255, neither wrapped around nor clipped.
            views = views + _on(views, color_shift(draws, augmentation, statistics)).view(-1, 3, 1, 1)
        return views

    # A box is resampled straight from small stored pictures, so these are not enlarged twice.
    return preprocessing.views(images, cut, enlarge=augmentation.crop != "area")


def offsets(draws: np.ndarray, room: int) -> np.ndarray:
    """(B, 2) top and left of each random crop, int64: 0 to `room` inclusive, equally likely.

    33 x 33 offsets for 224 in 256 and 30 x 30 for 227; with mirrors 2178 and 1800 views, where the paper says 2048.
    """
    return (draws[:, [TOP, LEFT]] * (room + 1)).astype(np.int64)


def boxes(draws: np.ndarray, min_area: float) -> np.ndarray:
    """(B, 4) boxes top, left, height, width as shares of the picture, each inside it.

    The area is uniform in min_area..1; width / height is log-uniform in 3/4..4/3, less what would not fit at that area.
    """
    area = min_area + (1 - min_area) * draws[:, AREA]
    highest = np.log(np.minimum(1 / LOWEST_RATIO, 1 / area))
    ratio = np.exp(highest * (2 * draws[:, SHAPE] - 1))
    width, height = np.sqrt(area * ratio), np.sqrt(area / ratio)
    return np.stack([draws[:, TOP] * (1 - height), draws[:, LEFT] * (1 - width), height, width], axis=1)


def color_shift(draws: np.ndarray, augmentation: Augmentation, statistics: Statistics) -> np.ndarray:
    """(B, 3) grey levels of 255 to add to every pixel of each picture, RGB.

    "sqrt" has the same size whatever the unit of a pixel. "eigenvalue" has not: the eigenvalues are those of values
    on 0-1, and the result is scaled back (on 0-255 the paper's formula would give 1400 grey levels). On ImageNet
    the first component has a standard deviation of 11.9 grey levels in the first form and 5.5 in the second.

    Krizhevsky's code then divides the picture by 1 + color_std to keep its spread, in training only. We do not: the
    paper does not say so, and it would set the scale of training and test input apart by a tenth.
    """
    uniform = torch.from_numpy(draws[:, COLOR]).clamp(2**-53, 1 - 2**-53)  # 0 would be minus infinity
    normal = torch.special.ndtri(uniform).numpy()
    variances = np.maximum(statistics.eigenvalues, 0)  # rounding can leave a tiny negative one
    spread = np.sqrt(variances) if augmentation.color == "sqrt" else variances / 255
    factors = augmentation.color_std * normal * spread
    # A sum, not `@`: a matrix product may round a row differently in another size of batch.
    shift: np.ndarray = (factors[:, None, :] * statistics.eigenvectors).sum(axis=2)
    return shift


def _crop(pictures: Tensor, draws: np.ndarray, size: int, augmentation: Augmentation) -> Tensor:
    match augmentation.crop:
        case "random":
            require_room(pictures, size)
            return _cut_at(pictures, offsets(draws, pictures.shape[-1] - size), size)
        case "area":
            return _sample(pictures, boxes(draws, augmentation.min_area), size)
        case "center":
            return center_view(pictures, size)


def _cut_at(pictures: Tensor, offsets: np.ndarray, size: int) -> Tensor:
    """Exact pixels from an offset per picture: one gather from a view of all crops, which costs no memory."""
    top, left = torch.from_numpy(offsets).to(pictures.device).unbind(dim=1)
    every = pictures.unfold(2, size, 1).unfold(3, size, 1)  # (B, 3, tops, lefts, size, size)
    return every[torch.arange(len(pictures), device=pictures.device), :, top, left]  # (B, 3, size, size)


def _sample(pictures: Tensor, boxes: np.ndarray, size: int) -> Tensor:
    """Resample each box bilinearly to (B, 3, size, size)."""
    top, left, height, width = boxes.T
    theta = np.zeros((len(boxes), 2, 3))  # from the view to the picture, both on -1..1
    theta[:, 0, 0], theta[:, 0, 2] = width, 2 * left + width - 1
    theta[:, 1, 1], theta[:, 1, 2] = height, 2 * top + height - 1
    grid = F.affine_grid(_on(pictures, theta), [len(boxes), 3, size, size], align_corners=False)
    # "border" repeats the outermost pixel for the half pixel between its centre and the picture's edge.
    return F.grid_sample(pictures.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


def _mirror(views: Tensor, is_mirrored: np.ndarray) -> Tensor:
    mask = torch.from_numpy(is_mirrored).to(views.device)
    return torch.where(mask.view(-1, 1, 1, 1), views.flip(-1), views)


def _on(like: Tensor, values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).float().to(like.device)
