"""CutMix: a box of a view is taken from another view of the batch, and so is its share of the label.

The two places 2k and 2k + 1 of an epoch's order are partners, so that a mixture belongs to a position and not to how an
epoch is cut into batches. B views, K classes.

Source: Yun et al. 2019, CutMix.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

DRAWS_PER_MIX = 4
USED, AREA, ROW, COLUMN = range(DRAWS_PER_MIX)


@dataclass(frozen=True)
class Mixture:
    """What each view of a batch gets from its partner.

    Attributes:
        partners: (B,) int64, the slot of the partner; its own where there is none.
        boxes: (B, 4) int64, first and behind the last row and column of the box, in pixels of the view.
        size: side of a view.
    """

    partners: np.ndarray
    boxes: np.ndarray
    size: int

    @property
    def kept(self) -> np.ndarray:
        """(B,) float64, the share of each view that is its own."""
        top, bottom, left, right = self.boxes.T
        shares: np.ndarray = 1 - (bottom - top) * (right - left) / self.size**2
        return shares


def mixture(positions: np.ndarray, draws: np.ndarray, size: int, chance: float) -> Mixture:
    """Draw the boxes: of uniformly distributed area, around a point anywhere in the view, cut off at its edge.

    Args:
        positions: (B,) places in the epoch's order.
        draws: (B, DRAWS_PER_MIX) uniform numbers in [0, 1).
        size: side of a view.
        chance: how likely a view gets a box.
    """
    slots = {position: slot for slot, position in enumerate(positions.tolist())}
    partners = np.array([slots.get(position ^ 1, slot) for position, slot in slots.items()], np.int64)
    half = np.sqrt(draws[:, AREA]) * size / 2
    edges = [draws[:, axis] * size + sign * half for axis in (ROW, COLUMN) for sign in (-1, 1)]
    boxes = np.clip(np.round(np.stack(edges, axis=1)), 0, size).astype(np.int64)
    boxes[(draws[:, USED] >= chance) | (partners == np.arange(len(partners)))] = 0
    return Mixture(partners, boxes, size)


def mixed_views(views: Tensor, mixture: Mixture) -> Tensor:
    """Put the boxes of the partners into views (B, C, H, W)."""
    rows, columns = (torch.arange(size, device=views.device) for size in views.shape[-2:])
    top, bottom, left, right = torch.from_numpy(mixture.boxes).to(views.device)[:, :, None].unbind(1)
    is_row, is_column = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)  # (B, H), (B, W)
    is_box = is_row[:, None, :, None] & is_column[:, None, None, :]
    return torch.where(is_box, views[torch.from_numpy(mixture.partners).to(views.device)], views)


def mixed_labels(labels: Tensor, mixture: Mixture, num_classes: int) -> Tensor:
    """(B, K) float32 shares of the classes, of labels (B,)."""
    hot = F.one_hot(labels, num_classes).float()
    kept = torch.from_numpy(mixture.kept).float().to(labels.device)[:, None]
    return kept * hot + (1 - kept) * hot[torch.from_numpy(mixture.partners).to(labels.device)]
