# mypy: disable-error-code="assignment, import-not-found, import-untyped, misc, no-any-return, no-untyped-def, untyped-decorator"
# ruff: noqa: N803, E501
"""GPU code of the small pieces: conv1's layout, what follows a matrix product, the update of the weights."""

import triton
import triton.language as tl


@triton.jit
def to_blocks(
    images, blocks, height, width, rows, columns, image_stride, channel_stride, row_stride, column_stride,
    STRIDE: tl.constexpr, C: tl.constexpr, PADDING: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """One row of blocks of one image a program of axis 0, SIZE of its numbers a program of axis 1.

    A block's channels are (y, x, colour), colour fastest.
    """
    image, row = tl.program_id(0) // rows, tl.program_id(0) % rows
    index = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    colour, pixel = index % C, index // C
    column, place = pixel // (STRIDE * STRIDE), pixel % (STRIDE * STRIDE)
    y = row * STRIDE + place // STRIDE - PADDING
    x = column * STRIDE + place % STRIDE - PADDING
    inside = (column < columns) & (y >= 0) & (y < height) & (x >= 0) & (x < width)
    source = images + image.to(tl.int64) * image_stride
    source += colour * channel_stride + y * row_stride + x * column_stride
    value = tl.load(source, mask=inside, other=0.0)
    count = columns * (STRIDE * STRIDE * C)
    target = blocks + tl.program_id(0).to(tl.int64) * count + index  # in one piece: 16 bytes a thread
    tl.store(target, value.to(blocks.dtype.element_ty), mask=index < count)


@triton.jit(do_not_specialize=["count"])
def from_blocks(
    blocks, kernels, count, channels, height, width, kernel_stride, channel_stride, row_stride, column_stride,
    STRIDE: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """Kernels (O, C, height, width), `count` numbers in all, from kernels on blocks."""
    index = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    inside = index < count
    x, line = index % width, index // width
    y, plane = line % height, line // height
    place = (y % STRIDE * STRIDE + x % STRIDE) * channels + plane % channels
    source = plane // channels * kernel_stride + place * channel_stride
    source += y // STRIDE * row_stride + x // STRIDE * column_stride
    tl.store(kernels + index, tl.load(blocks + source, mask=inside, other=0.0), mask=inside)


@triton.jit(do_not_specialize=["count"])
def rectify(
    x, bias, seed, y, count, features, first, width, P: tl.constexpr, SALT: tl.constexpr,
    RELU: tl.constexpr, BIAS: tl.constexpr, DROP: tl.constexpr, SLOTS: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """Bias, ReLU and inverted dropout; the mask is a function of (seed, SALT, position).

    SLOTS: behind the seed lies, for each row, the one in whose place it stands. Columns are those of a wider matrix
    from `first` on.
    """
    index = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    inside = index < count
    value = tl.load(x + index, mask=inside, other=0.0).to(tl.float32)
    if BIAS:
        value += tl.load(bias + index % features, mask=inside, other=0.0)
    if RELU:
        value = tl.maximum(value, 0.0, propagate_nan=tl.PropagateNan.ALL)
    if DROP:
        row = index // features
        if SLOTS:
            row = tl.load(seed + 1 + row, mask=inside, other=0)
        place = row * width + first + index % features
        draws = tl.rand(tl.load(seed) + SALT, place)
        value = tl.where(draws >= P, value * (1 / (1 - P)), 0.0)
    tl.store(y + index, value.to(y.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["rows"])
def rectify_backward(y, grads, slopes, sums, rows, features, SCALE: tl.constexpr, R: tl.constexpr, F: tl.constexpr):
    """Gradient before bias, ReLU and dropout: what came out above zero was let through. `sums`: a row per program."""
    row = tl.program_id(0) * R + tl.arange(0, R)
    column = tl.program_id(1) * F + tl.arange(0, F)
    inside = (row < rows)[:, None] & (column < features)[None, :]
    at = row[:, None] * features + column[None, :]
    output = tl.load(y + at, mask=inside, other=0.0)
    slope = tl.load(grads + at, mask=inside, other=0.0).to(tl.float32)
    slope = tl.where(output > 0, slope * SCALE, 0.0)
    tl.store(slopes + at, slope.to(slopes.dtype.element_ty), mask=inside)
    tl.store(sums + tl.program_id(0) * features + column, tl.sum(slope, axis=0), mask=column < features)


@triton.jit(do_not_specialize=["rows"])
def add_rows(parts, sums, rows, columns, R: tl.constexpr, F: tl.constexpr):
    """The sum of all rows, F columns a program."""
    column = tl.program_id(0) * F + tl.arange(0, F)
    known = (column < columns)[None, :]
    total = tl.zeros((R, F), tl.float32)
    for first in range(0, rows, R):
        row = first + tl.arange(0, R)[:, None]
        total += tl.load(parts + row * columns + column[None, :], mask=(row < rows) & known, other=0.0)
    tl.store(sums + column, tl.sum(total, axis=0), mask=column < columns)


@triton.jit(do_not_specialize=["rounds"])
def square(x, parts, count, rounds, SIZE: tl.constexpr):
    """The sum of squares of `rounds` times SIZE numbers a program."""
    total = tl.zeros((SIZE,), tl.float32)
    first = tl.program_id(0) * rounds * SIZE
    for turn in range(rounds):
        index = first + turn * SIZE + tl.arange(0, SIZE)
        value = tl.load(x + index, mask=index < count, other=0.0).to(tl.float32)
        total += value * value
    tl.store(parts + tl.program_id(0), tl.sum(total, axis=0))


@triton.jit(do_not_specialize=["count", "limit"])
def share_of(parts, share, count, limit, SIZE: tl.constexpr):
    """What is left of a gradient with these sums of squares, if its norm may be `limit`."""
    total = tl.zeros((SIZE,), tl.float32)
    for first in range(0, count, SIZE):
        index = first + tl.arange(0, SIZE)
        total += tl.load(parts + index, mask=index < count, other=0.0)
    norm = tl.sqrt(tl.sum(total, axis=0))
    tl.store(share, tl.minimum(limit / (norm + 1e-6), 1.0, propagate_nan=tl.PropagateNan.ALL))


@triton.jit
def _move(
    weights, velocities, grads, copies, inside, lr, share, lr_factor, decay, momentum,
    PAPER: tl.constexpr, NESTEROV: tl.constexpr, COPY: tl.constexpr, CUT: tl.constexpr,
):  # fmt: skip
    """Numbers at these addresses, a step further: velocity, weight, and its copy in low precision. CUT: by `share`."""
    w = tl.load(weights, mask=inside, other=0.0)
    v = tl.load(velocities, mask=inside, other=0.0)
    g = tl.load(grads, mask=inside, other=0.0).to(tl.float32)
    rate = tl.load(lr) * lr_factor
    if CUT:
        g *= tl.load(share)
    g += decay * w
    if PAPER:
        v = momentum * v - rate * g
        w += v
    else:
        v = momentum * v + g
        w -= rate * (g + momentum * v if NESTEROV else v)
    tl.store(velocities, v, mask=inside)
    tl.store(weights, w, mask=inside)
    if COPY:
        tl.store(copies, w.to(copies.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["lr_factor", "decay", "momentum"])
def update(
    weight, velocity, grad, copy, lr, share, count, lr_factor, decay, momentum,
    PAPER: tl.constexpr, NESTEROV: tl.constexpr, COPY: tl.constexpr, CUT: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """One pass over a parameter: velocity, weight, and the weight's copy in low precision. CUT: times `share`."""
    index = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    _move(
        weight + index, velocity + index, grad + index, copy + index, index < count, lr, share,
        lr_factor, decay, momentum, PAPER, NESTEROV, COPY, CUT,
    )  # fmt: skip


@triton.jit(do_not_specialize=["lr_factor", "decay", "momentum"])
def update_kernels(
    weight, velocity, grad, copy, lr, share, channels, places, grad_channel, grad_place, copy_channel, copy_place,
    lr_factor, decay, momentum,
    PAPER: tl.constexpr, NESTEROV: tl.constexpr, COPY: tl.constexpr, CUT: tl.constexpr,
    C: tl.constexpr, PLACES: tl.constexpr,
):  # fmt: skip
    """As `update`, of C channels of a kernel a program. How far apart channels and places lie, gradient and copy say."""
    first = tl.program_id(0).to(tl.int64) * channels * places
    channel = tl.program_id(1) * C + tl.arange(0, C)[:, None]
    place = tl.arange(0, PLACES)[None, :]
    inside = (channel < channels) & (place < places)
    index = first + (channel * places + place)
    _move(
        weight + index, velocity + index, grad + first + (channel * grad_channel + place * grad_place),
        copy + first + (channel * copy_channel + place * copy_place), inside, lr, share,
        lr_factor, decay, momentum, PAPER, NESTEROV, COPY, CUT,
    )  # fmt: skip
