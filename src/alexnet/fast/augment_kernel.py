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
def _colours(image, at, inside, PIXEL: tl.constexpr):
    """Red, green and blue of stored pixels: three bytes each, or four in one number of 32 bits."""
    if PIXEL == 4:
        packed = tl.load(image + at, mask=inside, other=0)
        red, green, blue = packed & 255, (packed >> 8) & 255, (packed >> 16) & 255
    else:
        red = tl.load(image + at * 3, mask=inside, other=0)
        green = tl.load(image + at * 3 + 1, mask=inside, other=0)
        blue = tl.load(image + at * 3 + 2, mask=inside, other=0)
    return red.to(tl.float32), green.to(tl.float32), blue.to(tl.float32)


@triton.jit
def _planes(image, at, inside, M: tl.constexpr):
    """The same of an image of three planes of M x M."""
    red = tl.load(image + at, mask=inside, other=0.0)
    green = tl.load(image + at + M * M, mask=inside, other=0.0)
    blue = tl.load(image + at + 2 * M * M, mask=inside, other=0.0)
    return red, green, blue


@triton.jit
def _between(a, b, c, d, down, across):
    """The value between four neighbours: a b above c d."""
    upper = a * (1 - across) + b * across
    lower = c * (1 - across) + d * across
    return upper * (1 - down) + lower * down


@triton.jit
def _bilinear(image, y, x, inside, SIDE: tl.constexpr, PIXEL: tl.constexpr):
    """Red, green and blue at (y, x); PIXEL: 3 or 4 see `_colours`, 1 see `_planes`."""
    top, bottom, down = _taps(y, SIDE)
    left, right, across = _taps(x, SIDE)
    if PIXEL == 1:
        a = _planes(image, top * SIDE + left, inside, SIDE)
        b = _planes(image, top * SIDE + right, inside, SIDE)
        c = _planes(image, bottom * SIDE + left, inside, SIDE)
        d = _planes(image, bottom * SIDE + right, inside, SIDE)
    else:
        a = _colours(image, top * SIDE + left, inside, PIXEL)
        b = _colours(image, top * SIDE + right, inside, PIXEL)
        c = _colours(image, bottom * SIDE + left, inside, PIXEL)
        d = _colours(image, bottom * SIDE + right, inside, PIXEL)
    red = _between(a[0], b[0], c[0], d[0], down, across)
    green = _between(a[1], b[1], c[1], d[1], down, across)
    blue = _between(a[2], b[2], c[2], d[2], down, across)
    return red, green, blue


@triton.jit
def _setting(settings, partners, in_box, AT: tl.constexpr, MIX: tl.constexpr):
    """Number AT of the view, inside the box of its partner."""
    value = tl.load(settings + AT)
    if MIX:
        value = tl.where(in_box, tl.load(partners + AT), value)
    return value


@triton.jit
def cut(
    pictures, indices, rows, colors, mean, blocks, side, size,
    S: tl.constexpr, M: tl.constexpr, STRIDE: tl.constexpr, PADDING: tl.constexpr, PIXEL: tl.constexpr,
    MEAN: tl.constexpr, BGR: tl.constexpr, MIX: tl.constexpr, ROW: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """One row of blocks of one view a program of axis 0, a pixel of the view a thread.

    A block's channels are (y, x, colour), colour fastest. `side` counts blocks, `size` the pixels of a view. MEAN: 0 a
    number per channel, 1 an image under the view, 2 an image of side M under the picture. MIX: a box of the view shows
    what its partner shows there. ROW: numbers of a view.
    """
    view, line = tl.program_id(0) // side, tl.program_id(0) % side
    index = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    PER: tl.constexpr = STRIDE * STRIDE
    column, place = index // PER, index % PER
    y = line * STRIDE + place // STRIDE - PADDING
    x = column * STRIDE + place % STRIDE - PADDING
    inside = (column < side) & (y >= 0) & (y < size) & (x >= 0) & (x < size)
    settings = rows + view * ROW
    partners, in_box = settings, inside
    which = tl.load(indices + view)
    if MIX:
        in_rows = (y >= tl.load(settings + 8)) & (y < tl.load(settings + 9))
        in_box = in_rows & (x >= tl.load(settings + 10)) & (x < tl.load(settings + 11))
        partner = tl.load(settings + 12).to(tl.int32)
        partners = rows + partner * ROW
        which = tl.where(in_box, tl.load(indices + partner), which)
    from_left = tl.where(_setting(settings, partners, in_box, 4, MIX) > 0, size - 1 - x, x).to(tl.float32)
    at_y = _setting(settings, partners, in_box, 0, MIX) * y.to(tl.float32)
    at_y += _setting(settings, partners, in_box, 1, MIX)
    at_x = _setting(settings, partners, in_box, 2, MIX) * from_left + _setting(settings, partners, in_box, 3, MIX)
    picture = pictures + which.to(tl.int64) * (S * S * (3 if PIXEL == 3 else 1))
    values = _bilinear(picture, at_y, at_x, inside, S, PIXEL)
    if MEAN == 0:
        means = (tl.load(colors), tl.load(colors + 1), tl.load(colors + 2))
    elif MEAN == 1:
        under = mean + y * size + x
        means = (
            tl.load(under, mask=inside, other=0.0),
            tl.load(under + size * size, mask=inside, other=0.0),
            tl.load(under + 2 * size * size, mask=inside, other=0.0),
        )
    else:
        RATIO: tl.constexpr = M / S
        means = _bilinear(mean, (at_y + 0.5) * RATIO - 0.5, (at_x + 0.5) * RATIO - 0.5, inside, M, 1)
    target = blocks + tl.program_id(0).to(tl.int64) * side * PER * 3 + index * 3
    for colour in tl.static_range(3):
        value = values[colour] + _setting(settings, partners, in_box, 5 + colour, MIX) - means[colour]
        value = tl.where(inside, value * tl.load(colors + 3 + colour), 0.0)
        tl.store(target + (2 - colour if BGR else colour), value.to(blocks.dtype.element_ty), mask=column < side)
