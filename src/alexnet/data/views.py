"""Which parts of a picture a trained network looks at: the centre view, or the paper's ten.

B images, V views, C channels, K classes. Any dtype goes through unchanged; the pixels are exact, never resampled.
"""

import torch
from torch import Tensor

from alexnet.errors import ImageTooSmall


def center_offset(side: int, size: int) -> int:
    """First row (or column) of the centre view: 14 for 227 in 256, rounded down as Caffe does."""
    return (side - size) // 2


def five_offsets(height: int, width: int, size: int) -> tuple[tuple[int, int], ...]:
    """(top, left) of the five views that are not mirrored: top left, top right, bottom left, bottom right, centre."""
    bottom, right = height - size, width - size
    return (0, 0), (0, right), (bottom, 0), (bottom, right), (center_offset(height, size), center_offset(width, size))


def center_view(images: Tensor, size: int) -> Tensor:
    """Cut the central square of each image: (..., C, H, W) gives (..., C, size, size).

    Raises:
        ImageTooSmall: names the shape it got and the size it needs.
    """
    require_room(images, size)
    height, width = images.shape[-2:]
    top, left = center_offset(height, size), center_offset(width, size)
    return images[..., top : top + size, left : left + size]


def ten_views(images: Tensor, size: int) -> Tensor:
    """Cut the ten test views of each image: four corners, centre, then their mirrors.

    Args:
        images: (B, C, H, W), any dtype, H and W at least `size`.
        size: side of a view in pixels.

    Returns:
        (B, 10, C, size, size); views 5 to 9 mirror views 0 to 4.

    Raises:
        ImageTooSmall: names the shape it got and the size it needs.

    Source: Krizhevsky et al. 2012, sec. 4.1, which leaves the order open; an average does not depend on it.
    """
    require_room(images, size)
    offsets = five_offsets(images.shape[-2], images.shape[-1], size)
    five = torch.stack([images[..., top : top + size, left : left + size] for top, left in offsets], dim=1)
    return torch.cat([five, five.flip(-1)], dim=1)  # (B, 10, C, size, size)


def average_views(logits: Tensor, views: int) -> Tensor:
    """Average the probabilities of each image's views, as the paper does; averaged logits are another classifier.

    Args:
        logits: (B*V, K), the views of one image side by side.
        views: V.

    Returns:
        probs (B, K), float32 at least; every row sums to 1.
    """
    assert len(logits) % views == 0, f"{len(logits)} rows are not whole images of {views} views"
    dtype = torch.promote_types(logits.dtype, torch.float32)
    probs = logits.softmax(dim=-1, dtype=dtype)
    return probs.view(-1, views, logits.shape[-1]).mean(dim=1)  # (B, K)


def require_room(images: Tensor, size: int) -> None:
    """Raise ImageTooSmall unless a view of `size` fits into images (..., H, W)."""
    height, width = images.shape[-2:]
    if min(height, width) < size:
        raise ImageTooSmall(
            f"a view of {size}x{size} pixels does not fit into pictures of {width}x{height} (width x height). "
            f"Prepare or resize the pictures to a short side of at least {size}."
        )
