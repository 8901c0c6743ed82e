# mypy: disable-error-code="assignment, import-not-found, import-untyped, misc, no-any-return, no-untyped-def, untyped-decorator"
# ruff: noqa: N803, RUF005, E501
"""Triton pieces of `kernels`: chunks of channels in and out of memory, and the arithmetic on their lanes.

The channels of a pixel are cut into chunks of N (16 bytes). A thread works on one chunk of one pixel and reads a few
channels more on both sides, so a window across channels is a sum of registers. A *lane* is one channel of the chunk,
a tile of T numbers for the T threads; lanes travel as tuples.

Maps are dense (B, H, W, C), in one tensor or in two: towers that hold half the channels each, or one tower and a strip
of the other's.
"""

import triton
import triton.language as tl


@triton.jit
def _split4(tile, T: tl.constexpr):
    even, odd = tl.split(tl.reshape(tile, (T, 2, 2)))
    a, c = tl.split(even)
    b, d = tl.split(odd)
    return (a, b, c, d)


@triton.jit
def _split(tile, T: tl.constexpr, N: tl.constexpr):
    """(T, N) -> N lanes; N is 1, 2, 4 or 8."""
    if N == 1:
        lanes = (tl.reshape(tile, (T,)),)
    elif N == 2:
        a, b = tl.split(tile)
        lanes = (a, b)
    elif N == 4:
        lanes = _split4(tile, T)
    else:
        even, odd = tl.split(tl.reshape(tile, (T, 4, 2)))
        a, c, e, g = _split4(even, T)
        b, d, f, h = _split4(odd, T)
        lanes = (a, b, c, d, e, f, g, h)
    return lanes


@triton.jit
def _join4(a, b, c, d, T: tl.constexpr):
    return tl.reshape(tl.join(tl.join(a, c), tl.join(b, d)), (T, 4))


@triton.jit
def join(lanes, T: tl.constexpr, N: tl.constexpr):
    """N lanes -> (T, N); N is 4 or 8."""
    if N == 4:
        tile = _join4(lanes[0], lanes[1], lanes[2], lanes[3], T)
    else:
        even = _join4(lanes[0], lanes[2], lanes[4], lanes[6], T)
        odd = _join4(lanes[1], lanes[3], lanes[5], lanes[7], T)
        tile = tl.reshape(tl.join(even, odd), (T, 8))
    return tile


@triton.jit
def pointers(first, second, at, channel, C: tl.constexpr, PER: tl.constexpr):
    """Addresses (T, width) of channels of the pixels `at`: in one tensor of C, or in one of PER and one of the rest."""
    rows = at.to(tl.int64)[:, None] * PER
    if PER == C:
        return first + (rows + channel)
    if PER * 2 == C:
        return tl.where(channel < PER, first, second) + (rows + channel % PER)
    others = at.to(tl.int64)[:, None] * (C - PER)
    return tl.where(channel < PER, first + (rows + channel), second + (others + channel - PER))


@triton.jit
def _read(
    first, second, at, inside, other, chunk,
    C: tl.constexpr, PER: tl.constexpr, SPAN: tl.constexpr, OFFSET: tl.constexpr, WIDTH: tl.constexpr,
    N: tl.constexpr,
):  # fmt: skip
    """(T, WIDTH) from OFFSET channels after each chunk's first; `other` outside and in another group of channels."""
    start = (chunk * N)[:, None]
    channel = start + OFFSET + tl.arange(0, WIDTH)[None, :]
    known = channel < C
    if OFFSET != 0:
        known = known & (channel >= 0) & (channel // SPAN == start // SPAN)
    return tl.load(pointers(first, second, at, channel, C, PER), mask=inside[:, None] & known, other=other)


@triton.jit
def read_around(
    first, second, at, inside, other, chunk,
    C: tl.constexpr, PER: tl.constexpr, SPAN: tl.constexpr, HALO: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """Each chunk, and HALO (0 or a power of two) channels before and behind it."""
    tiles = (_read(first, second, at, inside, other, chunk, C, PER, SPAN, 0, N, N),)
    if HALO > 0:
        before = _read(first, second, at, inside, other, chunk, C, PER, SPAN, -HALO, HALO, N)
        after = _read(first, second, at, inside, other, chunk, C, PER, SPAN, N, HALO, N)
        tiles = (before, tiles[0], after)
    return tiles


@triton.jit
def lanes_of(tiles, AT: tl.constexpr, T: tl.constexpr, HALO: tl.constexpr, N: tl.constexpr):
    """The lanes of what the AT-th `_read_around` gave."""
    if HALO > 0:
        before = _split(tiles[3 * AT], T, HALO)
        lanes = before + _split(tiles[3 * AT + 1], T, N) + _split(tiles[3 * AT + 2], T, HALO)
    else:
        lanes = _split(tiles[AT], T, N)
    return lanes


@triton.jit
def units_of(raw, bias, RELU: tl.constexpr, BIAS: tl.constexpr):
    """What enters the norm: raw + bias, behind the ReLU if that comes first."""
    lanes = ()
    for j in tl.static_range(len(raw)):
        unit = raw[j].to(tl.float32)
        if BIAS:
            unit += bias[j]
        if RELU == 1:
            unit = tl.maximum(unit, 0.0, propagate_nan=tl.PropagateNan.ALL)
        lanes = lanes + (unit,)
    return lanes


@triton.jit
def roots_of(units, COUNT: tl.constexpr, REACH: tl.constexpr, ALPHA: tl.constexpr, K: tl.constexpr):
    """1 / (k + alpha * sum of squares in the window) ** 0.5 of the COUNT middle lanes; there are REACH more aside."""
    lanes = ()
    for j in tl.static_range(COUNT):
        energy = units[j] * units[j]
        for d in tl.static_range(1, 2 * REACH + 1):
            energy += units[j + d] * units[j + d]
        lanes = lanes + (tl.rsqrt(K + ALPHA * energy),)
    return lanes


@triton.jit
def powered(root, BETA: tl.constexpr):
    """Give s ** -beta from s ** -0.5, without a pow where beta is the paper's."""
    if BETA == 0.75:
        power = root * tl.sqrt(root)
    elif BETA == 0.5:
        power = root
    elif BETA == 1.0:
        power = root * root
    else:
        power = tl.exp2(2 * BETA * tl.log2(root))
    return power
