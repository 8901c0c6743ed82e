# mypy: disable-error-code="assignment, import-not-found, import-untyped, misc, no-any-return, no-untyped-def, untyped-decorator"
# ruff: noqa: N803, N806, E501
"""The GPU code of `augment`: from stored bytes to blocks of views."""

import triton
import triton.language as tl


@triton.jit
def _taps(at, SIDE: tl.constexpr):
    """Both neighbours of a coordinate within a row of SIDE pixels, and the share of the second; beyond it, the edge."""
    at = tl.minimum(tl.maximum(at, 0.0), SIDE - 1.0)
    first = tl.floor(at).to(tl.int32)
    return first, tl.minimum(first + 1, SIDE - 1), at - first.to(tl.float32)


@triton.jit
def _bilinear(
    image, y, x, colour, inside, SIDE: tl.constexpr, ROW: tl.constexpr, COLUMN: tl.constexpr, COLOUR: tl.constexpr
):
    """The value of an image at (y, x); ROW, COLUMN and COLOUR are its strides."""
    top, bottom, down = _taps(y, SIDE)
    left, right, across = _taps(x, SIDE)
    base = image + colour * COLOUR
    a = tl.load(base + (top * ROW + left * COLUMN), mask=inside, other=0).to(tl.float32)
    b = tl.load(base + (top * ROW + right * COLUMN), mask=inside, other=0).to(tl.float32)
    c = tl.load(base + (bottom * ROW + left * COLUMN), mask=inside, other=0).to(tl.float32)
    d = tl.load(base + (bottom * ROW + right * COLUMN), mask=inside, other=0).to(tl.float32)
    upper = a * (1 - across) + b * across
    lower = c * (1 - across) + d * across
    return upper * (1 - down) + lower * down


@triton.jit
def cut(
    pictures, indices, rows, colors, mean, blocks, side, size,
    S: tl.constexpr, M: tl.constexpr, STRIDE: tl.constexpr, PADDING: tl.constexpr,
    MEAN: tl.constexpr, BGR: tl.constexpr, MIX: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """One row of blocks of one view a program of axis 0; a block's channels are (y, x, colour), colour fastest.

    `side` counts blocks, `size` the pixels of a view. MEAN: 0 a number per channel, 1 an image under the view, 2 an
    image of side M under the picture. MIX: a box of the view shows what its partner shows there.
    """
    view, row = tl.program_id(0) // side, tl.program_id(0) % side
    index = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    PER: tl.constexpr = STRIDE * STRIDE * 3
    column, channel = index // PER, index % PER
    y = row * STRIDE + channel // (STRIDE * 3) - PADDING
    x = column * STRIDE + channel // 3 % STRIDE - PADDING
    colour = 2 - channel % 3 if BGR else channel % 3  # of the stored pictures
    inside = (column < side) & (y >= 0) & (y < size) & (x >= 0) & (x < size)
    settings = rows + view * 16
    shown = view
    if MIX:
        in_rows = (y >= tl.load(settings + 8)) & (y < tl.load(settings + 9))
        in_box = in_rows & (x >= tl.load(settings + 10)) & (x < tl.load(settings + 11))
        shown = tl.where(in_box, tl.load(settings + 12).to(tl.int32), view)
        settings = rows + shown * 16
    from_left = tl.where(tl.load(settings + 4) > 0, size - 1 - x, x)
    at_y = tl.load(settings) * y.to(tl.float32) + tl.load(settings + 1)
    at_x = tl.load(settings + 2) * from_left.to(tl.float32) + tl.load(settings + 3)
    picture = pictures + tl.load(indices + shown).to(tl.int64) * (S * S * 3)
    value = _bilinear(picture, at_y, at_x, colour, inside, S, S * 3, 3, 1) + tl.load(settings + 5 + colour)
    if MEAN == 0:
        value -= tl.load(colors + colour)
    elif MEAN == 1:
        value -= tl.load(mean + (colour * size + y) * size + x, mask=inside, other=0.0)
    else:
        RATIO: tl.constexpr = M / S
        value -= _bilinear(mean, (at_y + 0.5) * RATIO - 0.5, (at_x + 0.5) * RATIO - 0.5, colour, inside, M, M, 1, M * M)
    value = tl.where(inside, value * tl.load(colors + 3 + colour), 0.0)
    target = tl.program_id(0).to(tl.int64) * side * PER + index
    tl.store(blocks + target, value.to(blocks.dtype.element_ty), mask=column < side)
