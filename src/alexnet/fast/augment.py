"""Random views of stored pictures as the first convolution wants them, in one pass on the GPU.

The pictures lie on the device as bytes; what happens to each is a row of numbers. The same function of the same draws
as `alexnet.data.augment.augment` and `cut_blocks` behind it, without a map in between.

B views, N stored pictures, S stored side.
"""

import numpy as np
import torch
from torch import Tensor

from alexnet.data.augment import MIRROR, Augmentation, boxes, color_shift, offsets
from alexnet.data.mix import Mixture
from alexnet.data.preprocess import Preprocessing
from alexnet.data.statistics import Statistics
from alexnet.data.views import center_offset
from alexnet.fast.conv1 import Blocks

# Numbers of a view: step and start down, step and start across, is it mirrored, red, green, blue, box, partner.
ROW = 16
SIZE = 1024


class ViewCutter:
    """Cuts views of stored pictures of one side, no larger than the square that views are cut from.

    Args:
        blocks: how the first convolution is cut.
        preprocessing: of the network.
        augmentation: what may happen to a picture.
        statistics: of the training set; only colour noise reads them.
        side: S.
        dtype: of the result.
    """

    def __init__(
        self,
        blocks: Blocks,
        preprocessing: Preprocessing,
        augmentation: Augmentation,
        statistics: Statistics | None,
        side: int,
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        assert self.fits(preprocessing, side), "larger pictures are made smaller first"
        self.blocks, self.preprocessing, self.augmentation = blocks, preprocessing, augmentation
        self.statistics, self.side, self.dtype = statistics, side, dtype
        scale = [preprocessing.range / 255 / std for std in preprocessing.std]
        self._colors = torch.tensor([preprocessing.mean, scale], dtype=torch.float32)
        self._mean = self._mean_table()

    @staticmethod
    def fits(preprocessing: Preprocessing, side: int) -> bool:
        """Whether pictures of this side can be cut as they are stored."""
        return side <= preprocessing.side

    def rows(self, draws: np.ndarray, mixture: Mixture | None = None) -> np.ndarray:
        """What happens to each view: (B, ROW) float32, of draws (B, DRAWS_PER_PICTURE)."""
        rows = np.zeros((len(draws), ROW), np.float32)
        rows[:, [0, 2]], rows[:, [1, 3]] = self._steps_and_starts(draws)
        if self.augmentation.flip:
            rows[:, 4] = draws[:, MIRROR] < 0.5
        if self.augmentation.color != "off":
            assert self.statistics is not None, "colour noise needs the statistics of the training set"
            rows[:, 5:8] = color_shift(draws, self.augmentation, self.statistics)
        if mixture is not None:
            rows[:, 8:12], rows[:, 12] = mixture.boxes, mixture.partners
        return rows

    def cut(
        self, pictures: Tensor, indices: Tensor, rows: Tensor, out: Tensor | None = None, *, is_mixed: bool = False
    ) -> Tensor:
        """Cut a view for each row.

        Args:
            pictures: (N, S, S, 3) uint8 RGB, contiguous; or (N, S, S, 4), the last unused, which is read in one go.
            indices: (B,) int64, which picture each view is cut from.
            rows: (B, ROW) float32, from `rows`; all on one device.
            out: what an earlier call returned for as many views; it is written over.
            is_mixed: the rows hold a mixture.

        Returns:
            The views as blocks (B, 3*s*s, H', W') of stride s, channels_last, see `cut_blocks`.
        """
        from alexnet.fast import augment_kernel

        pixel = pictures.shape[3]
        assert pictures.shape[1:3] == (self.side, self.side) and pixel in (3, 4), f"{pictures.shape}"
        assert pictures.is_contiguous(), f"strides {pictures.stride()}"
        size, blocks = self.preprocessing.size, self.blocks
        side = blocks.side(size)
        width = 3 * blocks.stride**2
        if out is None:
            cells = torch.empty(len(rows), side, side, width, device=pictures.device, dtype=self.dtype)
            out = cells.permute(0, 3, 1, 2)
        assert out.shape == (len(rows), width, side, side), f"{out.shape} for {len(rows)} views"
        if self._colors.device != pictures.device:
            self._colors, self._mean = self._colors.to(pictures.device), self._mean.to(pictures.device)
        if not len(rows):
            return out
        words = pictures if pixel == 3 else pictures.view(torch.int32)
        augment_kernel.cut[(len(rows) * side, -(-side * blocks.stride**2 // SIZE))](
            words, indices, rows, self._colors, self._mean, out, side, size,
            S=self.side, M=self._mean.shape[-1], STRIDE=blocks.stride, PADDING=blocks.padding, PIXEL=pixel, ROW=ROW,
            MEAN=self._mean_kind, BGR=self.preprocessing.order == "BGR", MIX=is_mixed, SIZE=SIZE,
        )  # fmt: skip
        return out

    def _steps_and_starts(self, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of stored pixels per pixel of the view, and where its first lies: (B, 2) each, down and across."""
        side, size, square = self.side, self.preprocessing.size, self.preprocessing.resize
        if self.augmentation.crop == "area":
            top_left, shares = np.split(boxes(draws, self.augmentation.min_area), 2, axis=1)
            steps = shares * side / size
            return steps, top_left * side + 0.5 * steps - 0.5
        # Exact pixels of the enlarged square.
        center = np.full((len(draws), 2), center_offset(square, size))
        corners = center if self.augmentation.crop == "center" else offsets(draws, square - size)
        steps = np.full((len(draws), 2), side / square)
        return steps, (corners + 0.5) * steps - 0.5

    @property
    def _mean_kind(self) -> int:
        """0: a number per channel; 1: an image under the view; 2: an image under the stored picture."""
        if self.preprocessing.mean_image is None:
            return 0
        return 1 if self.preprocessing.mean_alignment == "center" else 2

    def _mean_table(self) -> Tensor:
        if self._mean_kind == 2:  # as large as what the plain path cuts from
            return self.preprocessing.mean_at(
                self.side if self.augmentation.crop == "area" else self.preprocessing.resize
            ).contiguous()
        return self.preprocessing.center_mean
