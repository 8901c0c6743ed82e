"""Everything between an upright RGB picture and the network's input; each weight file carries one of these.

B images, S stored side. In: uint8 RGB (B, 3, S, S). Out: float32 (B, ..., 3, size, size) in the order, range and
mean of the weights, so that no caller can feed RGB pictures to weights that learnt BGR.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.data.statistics import Statistics
from alexnet.data.views import center_view
from alexnet.errors import DataError, WeightsError
from alexnet.lineages.spec import Fit, Input, Order

MeanAlignment = Literal["center", "picture"]


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """What the weights expect to be fed. All colours are in RGB order here; `order` is that of the network's planes.

    Attributes:
        size: side of a view in pixels.
        range: largest value of a channel, 255 or 1.
        mean: subtracted per channel, on 0-255 whatever `range` is; unused where there is a mean image.
        std: divisor per channel, on the scale of `range`.
        resize: side of the square that views are cut from.
        fit: how a picture becomes that square ("short": centre of it, "warp": all of it, squeezed).
        mean_image: (S, S, 3) on 0-255, subtracted pixel by pixel.
        mean_alignment: "center" subtracts the mean image's centre from every view, wherever it was cut and after
            mirroring (cuda-convnet, so the paper); "picture" subtracts it before the cut (Caffe).
        detail: side of the pictures that the weights learnt from, where that is less than `resize`: sharper ones are
            brought to it first, for their finer detail would be new to the network. None: as sharp as they come.
    """

    size: int
    order: Order
    range: Literal[1, 255]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: int
    fit: Fit
    mean_image: np.ndarray | None = None
    mean_alignment: MeanAlignment = "center"
    detail: int | None = None

    @classmethod
    def of(cls, input: Input, statistics: Statistics | None) -> "Preprocessing":
        """The preprocessing of a lineage, with the means of the training set where the lineage asks for them.

        Raises:
            DataError: the lineage subtracts a mean image and the statistics hold none.
        """
        image = None
        if isinstance(input.mean, tuple):
            red, green, blue = (value * 255 / input.range for value in input.mean)
        else:
            assert statistics is not None, f"a lineage with mean={input.mean!r} needs the training set's statistics"
            red, green, blue = (float(value) for value in statistics.mean)
            image = _mean_image(statistics) if input.mean == "image" else None
        return cls(
            size=input.size,
            order=input.order,
            range=input.range,
            mean=(red, green, blue),
            std=input.std,
            resize=input.resize,
            fit=input.fit,
            mean_image=image,
            mean_alignment=input.mean_alignment,
        )

    @property
    def side(self) -> int:
        """Side of the squares that pictures are made into; `views` enlarges them where that is less than `resize`.

        A small picture that was enlarged to `resize` first and then brought back to `detail` would be blurred twice.
        """
        return self.resize if self.detail is None else min(self.detail, self.resize)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], mean_image: np.ndarray | None = None) -> "Preprocessing":
        """Read what `to_dict` wrote, after JSON or not.

        Raises:
            WeightsError: names the key that is missing, unknown or out of bounds; the caller adds the file.
        """
        _check(values, mean_image)
        mean, std = (tuple(float(number) for number in values[key]) for key in ("mean", "std"))
        return cls(**{**values, "mean": mean, "std": std}, mean_image=mean_image)

    def to_dict(self) -> dict[str, Any]:
        """All but the mean image, as JSON can hold it; the mean image travels as a tensor."""
        values = {key: getattr(self, key) for key in _RULES}
        if self.detail is None:
            del values["detail"]
        return {**values, "mean": list(self.mean), "std": list(self.std)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Preprocessing):
            return NotImplemented
        is_same_image = np.array_equal(np.asarray(self.mean_image), np.asarray(other.mean_image))
        return is_same_image and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.size, self.order, self.resize, self.mean))

    def views(self, images: Tensor, cut: Callable[[Tensor], Tensor], *, enlarge: bool = True) -> Tensor:
        """Turn stored pictures into network input: resize, cut, subtract the mean, set range, spread and order.

        Args:
            images: (B, 3, S, S) uint8 RGB, of any stored side; brought to `resize` first (bilinear, antialiased), by
                way of `detail` where they are sharper.
            cut: takes those pictures, (B, 3, R, R) uint8 or float32 on 0-255, RGB, and returns views of
                (B, ..., 3, size, size); `center_view` and `ten_views` are such cuts.
            enlarge: False leaves pictures smaller than `resize` as they are, for a cut that resamples anyway.

        Returns:
            (B, ..., 3, size, size) float32, contiguous.

        Raises:
            ImageTooSmall: from the cut, when a view does not fit.
        """
        assert images.dtype == torch.uint8, f"pictures are uint8, not {images.dtype}"
        # Planes, however the pictures came: equal bits, and torch resizes them 5 times faster than channels_last.
        pictures = images.contiguous()
        if self.detail is not None and pictures.shape[-1] > self.detail:
            pictures = _resized(pictures, self.detail)
        if pictures.shape[-1] > self.resize or enlarge:
            pictures = _resized(pictures, self.resize)
        if self.mean_image is not None and self.mean_alignment == "picture":
            views = cut(pictures - self._mean_on(pictures.shape[-1], images.device))
        else:
            views = cut(pictures).float()
            # In place: pictures are uint8, so these floats are new here, and one copy of them less is 4 times faster.
            views.sub_(self.center_mean.to(images.device))
        return self._ranged(views)

    def _ranged(self, views: Tensor) -> Tensor:
        assert views.shape[-3:] == (3, self.size, self.size), f"the cut gave {tuple(views.shape)}"
        if (self.range, self.std) != (255, (1.0, 1.0, 1.0)):
            scale = torch.tensor([self.range / 255 / std for std in self.std], device=views.device)
            views = views * scale.view(3, 1, 1)
        return (views.flip(-3) if self.order == "BGR" else views).contiguous()

    def mean_at(self, side: int) -> Tensor:
        """The mean, ready to be subtracted from pictures of `side`: (3, side, side), or (3, 1, 1) per channel."""
        if self.mean_image is None:
            return torch.tensor(self.mean).view(3, 1, 1)
        image = torch.from_numpy(np.ascontiguousarray(self.mean_image.transpose(2, 0, 1), dtype=np.float32))
        return _resized(image[None], side)[0]

    def _mean_on(self, side: int, device: torch.device) -> Tensor:
        """`mean_at` on a device, made once: beside a busy GPU a host of 64 threads took 35 ms for each batch of it."""
        key = (side, device)
        if key not in self._means:
            self._means[key] = self.mean_at(side).to(device)
        return self._means[key]

    @cached_property
    def _means(self) -> dict[tuple[int, torch.device], Tensor]:
        return {}

    @cached_property
    def center_mean(self) -> Tensor:
        mean = self.mean_at(self.resize)
        return mean if self.mean_image is None else center_view(mean, self.size).contiguous()


def _mean_image(statistics: Statistics) -> np.ndarray:
    if statistics.mean_image is None:
        raise DataError(
            "this lineage subtracts a mean image and the prepared set has none (is mean.npy missing?). "
            "Run `alexnet prepare` again."
        )
    return statistics.mean_image


def _resized(images: Tensor, side: int) -> Tensor:
    if images.shape[-2:] == (side, side):
        return images
    return F.interpolate(images.float(), size=(side, side), mode="bilinear", antialias=True, align_corners=False)


def _is_side(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_triple(value: Any) -> bool:
    is_three = isinstance(value, list | tuple) and len(value) == 3
    return is_three and all(isinstance(number, int | float) and math.isfinite(number) for number in value)


# What a file may say, in the order of the fields: is it valid, and how to put that into words.
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "size": (_is_side, "a whole number of pixels"),
    "order": (get_args(Order).__contains__, "RGB or BGR"),
    "range": ((1, 255).__contains__, "1 or 255"),
    "mean": (_is_triple, "three numbers, red green blue, on 0-255"),
    "std": (lambda value: _is_triple(value) and min(value) > 0, "three positive numbers"),
    "resize": (_is_side, "a whole number of pixels"),
    "fit": (get_args(Fit).__contains__, "short or warp"),
    "mean_alignment": (get_args(MeanAlignment).__contains__, "center or picture"),
    "detail": (_is_side, "a whole number of pixels"),
}
OPTIONAL = {"detail"}


def _check(values: Mapping[str, Any], mean_image: np.ndarray | None) -> None:
    missing, unknown = sorted(_RULES.keys() - OPTIONAL - values.keys()), sorted(values.keys() - _RULES.keys())
    if missing or unknown:
        wrong = [f"{key} is missing" for key in missing] + [f"{key} is unknown" for key in unknown]
        raise WeightsError(f"preprocessing: {', '.join(wrong)}; expected exactly {', '.join(_RULES)}.")
    for key, (is_valid, expected) in _RULES.items():
        if key in values and not is_valid(values[key]):
            raise WeightsError(f"preprocessing: {key} is {values[key]!r}; expected {expected}.")
    if values["size"] > values["resize"]:
        raise WeightsError(f"preprocessing: views of size {values['size']} do not fit into resize {values['resize']}.")
    if mean_image is not None and mean_image.shape != (len(mean_image), len(mean_image), 3):
        raise WeightsError(f"preprocessing: the mean image has shape {mean_image.shape}; expected (S, S, 3).")
