# mypy: disable-error-code="assignment, import-not-found, import-untyped, misc, no-any-return, no-untyped-def, untyped-decorator"
# ruff: noqa: N803, N806, RUF005, E501
"""The GPU code of `lrn_pool`: bias, ReLU, response norm and max pooling in one pass each way.

Chunks, lanes and towers are explained in `lanes`.
"""

import triton
import triton.language as tl

from alexnet.fast.lanes import join, lanes_of, pointers, powered, read_around, roots_of, units_of

DEAD = tl.constexpr(15)  # a code for: the ReLU behind the pool was closed, no window position gets the gradient


@triton.jit
def _values(units, HALO: tl.constexpr, N: tl.constexpr, NORM: tl.constexpr, REACH: tl.constexpr,
            ALPHA: tl.constexpr, BETA: tl.constexpr, K: tl.constexpr):  # fmt: skip
    """What enters the pool."""
    lanes = ()
    if NORM:
        roots = roots_of(units[HALO - REACH : HALO + N + REACH], N, REACH, ALPHA, K)
    for j in tl.static_range(N):
        value = units[HALO + j]
        if NORM:
            value = value * powered(roots[j], BETA)
        lanes = lanes + (value,)
    return lanes


@triton.jit
def _highest(best, code, values, mark, N: tl.constexpr):
    """Lane by lane the higher of two, with its code. As torch: the first of equals wins, what is no number stays."""
    higher = ()
    chosen = ()
    for j in tl.static_range(N):
        higher = higher + (tl.maximum(best[j], values[j], propagate_nan=tl.PropagateNan.ALL),)
        chosen = chosen + (tl.where(values[j] > best[j], mark[j], code[j]),)
    return higher, chosen


@triton.jit
def _row_of_window(
    tiles, AT: tl.constexpr, biases, column, width, here, T: tl.constexpr, HALO: tl.constexpr, N: tl.constexpr,
    NORM: tl.constexpr, REACH: tl.constexpr, ALPHA: tl.constexpr, BETA: tl.constexpr, K: tl.constexpr,
    WINDOW: tl.constexpr, RELU: tl.constexpr, BIAS: tl.constexpr, OVERHANG: tl.constexpr,
):  # fmt: skip
    """The highest of one row of a window, and in which column it stands; its tiles begin at AT."""
    best = ()
    code = ()
    for _ in tl.static_range(N):
        best = best + (tl.full((T,), float("-inf"), tl.float32),)
        code = code + (tl.zeros((T,), tl.int32),)
    for place in tl.static_range(WINDOW):
        units = units_of(lanes_of(tiles, AT + place, T, HALO, N), biases, RELU, BIAS)
        values = _values(units, HALO, N, NORM, REACH, ALPHA, BETA, K)
        if OVERHANG:
            known = ()
            for j in tl.static_range(N):
                known = known + (tl.where(here & (column + place < width), values[j], float("-inf")),)
            values = known
        marks = ()
        for _ in tl.static_range(N):
            marks = marks + (place,)
        best, code = _highest(best, code, values, marks, N)
    return best, code


@triton.jit(do_not_specialize=["count", "height", "width", "out_height", "out_width"])
def forward(
    x0, x1, bias, y0, y1, codes, count, height, width, out_height, out_width,
    C: tl.constexpr, IN: tl.constexpr, OUT: tl.constexpr, SPAN: tl.constexpr,
    NORM: tl.constexpr, REACH: tl.constexpr, HALO: tl.constexpr,
    ALPHA: tl.constexpr, BETA: tl.constexpr, K: tl.constexpr,
    WINDOW: tl.constexpr, STRIDE: tl.constexpr, RELU: tl.constexpr, BIAS: tl.constexpr, CODES: tl.constexpr,
    OVERHANG: tl.constexpr, ROWS: tl.constexpr, CHUNKS: tl.constexpr, T: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """T chunks of ROWS output pixels, one below the other, a program; `count` chunks in all.

    A row of pixels that two windows share is normalised once. RELU: 0 none, 1 before the norm, 2 behind the pool.
    CODES: keep which position of its window each output came from. OVERHANG: windows may reach over the right and
    bottom edge.
    """
    SHARED: tl.constexpr = WINDOW - STRIDE  # 0 or 1, where ROWS is more than 1
    item = tl.program_id(0) * T + tl.arange(0, T)
    inside = item < count
    chunk, place = item % CHUNKS, item // CHUNKS
    out_column, line = place % out_width, place // out_width
    groups = (out_height + ROWS - 1) // ROWS
    first, image = line % groups * ROWS, line // groups
    column = out_column * STRIDE
    channel = (chunk * N)[:, None] + tl.arange(0, N)[None, :]
    biases = ()
    if BIAS:
        biases = lanes_of(read_around(bias, bias, item * 0, inside, 0.0, chunk, C, C, SPAN, HALO, N), 0, T, HALO, N)
    last = ()
    last_code = ()
    for step in tl.static_range(ROWS):
        out_row = first + step
        here = inside & (out_row < out_height)
        row = out_row * STRIDE
        tiles = ()  # all reads first: they take a thousand times longer than a sum
        for at in tl.static_range(SHARED * WINDOW if step > 0 else 0, WINDOW * WINDOW):
            known = here
            if OVERHANG:
                known = here & (row + at // WINDOW < height) & (column + at % WINDOW < width)
            pixel = (image * height + row + at // WINDOW) * width + column + at % WINDOW
            tiles = tiles + read_around(x0, x1, pixel, known, 0.0, chunk, C, IN, SPAN, HALO, N)
        best = last
        code = last_code
        for y in tl.static_range(SHARED if step > 0 else 0, WINDOW):
            values, columns = _row_of_window(
                tiles, (y - SHARED if step > 0 else y) * WINDOW, biases, column, width, row + y < height, T, HALO, N,
                NORM, REACH, ALPHA, BETA, K, WINDOW, RELU, BIAS, OVERHANG,
            )  # fmt: skip
            marks = ()
            for j in tl.static_range(N):
                marks = marks + (y * WINDOW + columns[j],)
            if y == 0:
                best = values
                code = marks
            else:
                best, code = _highest(best, code, values, marks, N)
            if y == WINDOW - 1:
                last = values
                last_code = columns
        known = here[:, None] & (channel < C)
        result = join(best, T, N)
        target = (image * out_height + out_row) * out_width + out_column
        if CODES:
            places = join(code, T, N)
            if RELU == 2:
                places = tl.where(result <= 0.0, DEAD, places)
            tl.store(pointers(codes, codes, target, channel, C, C), places.to(tl.uint8), mask=known)
        if RELU == 2:
            result = tl.maximum(result, 0.0, propagate_nan=tl.PropagateNan.ALL)
        tl.store(pointers(y0, y1, target, channel, C, OUT), result.to(y0.dtype.element_ty), mask=known)


@triton.jit
def _routed(
    grads, codes, AT: tl.constexpr, WINDOW: tl.constexpr, STRIDE: tl.constexpr, CODES: tl.constexpr,
    T: tl.constexpr, HALO: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """Gradient at the AT-th pixel of a cell: from each window that covers it, if that chose it."""
    REPEATS: tl.constexpr = (WINDOW + STRIDE - 1) // STRIDE
    totals = ()
    for _ in tl.static_range(N + 2 * HALO):
        totals = totals + (tl.zeros((T,), tl.float32),)
    for window in tl.static_range(REPEATS * REPEATS):
        # How far into the window this pixel lies.
        if AT // STRIDE + STRIDE * (window // REPEATS) < WINDOW and AT % STRIDE + STRIDE * (window % REPEATS) < WINDOW:
            some = lanes_of(grads, window, T, HALO, N)
            sums = ()
            if CODES:
                chosen = lanes_of(codes, window, T, HALO, N)
            for j in tl.static_range(N + 2 * HALO):
                part = some[j].to(tl.float32)
                if CODES:
                    is_chosen = chosen[j] == (
                        (AT // STRIDE + STRIDE * (window // REPEATS)) * WINDOW
                        + AT % STRIDE
                        + STRIDE * (window % REPEATS)
                    )
                    part = tl.where(is_chosen, part, 0.0)
                sums = sums + (totals[j] + part,)
            totals = sums
    return totals


@triton.jit
def _slopes(
    units, routed, HALO: tl.constexpr, N: tl.constexpr, NORM: tl.constexpr, REACH: tl.constexpr,
    ALPHA: tl.constexpr, BETA: tl.constexpr, K: tl.constexpr, RELU: tl.constexpr,
):  # fmt: skip
    """Gradients before the bias, from those behind the norm; units have 2 HALO lanes aside, `routed` HALO."""
    if NORM:
        # Lane 0 of these is REACH channels before the chunk.
        roots = roots_of(units[2 * HALO - 2 * REACH : 2 * HALO + N + 2 * REACH], N + 2 * REACH, REACH, ALPHA, K)
        pulls = ()
        for j in tl.static_range(N + 2 * REACH):
            pull = routed[HALO - REACH + j] * units[2 * HALO - REACH + j]
            pulls = pulls + (pull * powered(roots[j], BETA) * (roots[j] * roots[j]),)
    lanes = ()
    for j in tl.static_range(N):
        unit = units[2 * HALO + j]
        slope = routed[HALO + j]
        if NORM:
            pull = pulls[j]
            for d in tl.static_range(1, 2 * REACH + 1):
                pull += pulls[j + d]
            slope = slope * powered(roots[REACH + j], BETA) - (2 * ALPHA * BETA) * (unit * pull)
        if RELU == 1:
            slope = tl.where(unit > 0.0, slope, 0.0)
        lanes = lanes + (slope,)
    return lanes


@triton.jit(
    do_not_specialize=["count", "height", "width", "out_height", "out_width", "cell_rows", "cell_columns", "rounds"]
)
def backward(
    x0, x1, bias, g0, g1, codes, d0, d1, parts, sums, count, height, width, out_height, out_width, cell_rows, cell_columns, rounds,
    C: tl.constexpr, IN: tl.constexpr, OUT: tl.constexpr, SPAN: tl.constexpr,
    NORM: tl.constexpr, REACH: tl.constexpr, HALO: tl.constexpr,
    ALPHA: tl.constexpr, BETA: tl.constexpr, K: tl.constexpr,
    WINDOW: tl.constexpr, STRIDE: tl.constexpr, RELU: tl.constexpr, BIAS: tl.constexpr, CODES: tl.constexpr,
    CHUNKS: tl.constexpr, T: tl.constexpr, N: tl.constexpr, SLOTS_WIDE: tl.constexpr, C_WIDE: tl.constexpr,
):  # fmt: skip
    """`rounds` times T // CHUNKS cells of STRIDE x STRIDE input pixels a program; `count` cells in all.

    The norm's scale is computed again from x. `sums` gets a row of bias gradients for each program, and `parts` what it
    is the sum of, a row for each of the T // CHUNKS. WIDE: up to the next power of two.
    """
    REPEATS: tl.constexpr = (WINDOW + STRIDE - 1) // STRIDE
    SLOTS: tl.constexpr = T // CHUNKS
    chunk, slot = tl.arange(0, T) % CHUNKS, tl.arange(0, T) // CHUNKS
    channel = (chunk * N)[:, None] + tl.arange(0, N)[None, :]
    biases = ()
    if BIAS:
        stored = read_around(bias, bias, slot * 0, slot < SLOTS, 0.0, chunk, C, C, SPAN, 2 * HALO, N)
        biases = lanes_of(stored, 0, T, 2 * HALO, N)
    total = tl.zeros((T, N), tl.float32)
    for turn in range(rounds):
        cell = (tl.program_id(0) * rounds + turn) * SLOTS + slot
        inside = (cell < count) & (slot < SLOTS)
        column, line = cell % cell_columns, cell // cell_columns
        row, image = line % cell_rows, line // cell_rows
        grads = ()
        chosen = ()
        for window in tl.static_range(REPEATS * REPEATS):
            oy, ox = row - window // REPEATS, column - window % REPEATS
            covered = inside & (oy >= 0) & (oy < out_height) & (ox >= 0) & (ox < out_width)
            at = (image * out_height + oy) * out_width + ox
            grads = grads + read_around(g0, g1, at, covered, 0.0, chunk, C, OUT, SPAN, HALO, N)
            if CODES:
                chosen = chosen + read_around(codes, codes, at, covered, DEAD, chunk, C, C, SPAN, HALO, N)
        tiles = ()
        for place in tl.static_range(STRIDE * STRIDE):
            y, x = row * STRIDE + place // STRIDE, column * STRIDE + place % STRIDE
            here = inside & (y < height) & (x < width)
            tiles = tiles + read_around(
                x0, x1, (image * height + y) * width + x, here, 0.0, chunk, C, IN, SPAN, 2 * HALO, N
            )
        for place in tl.static_range(STRIDE * STRIDE):
            units = units_of(lanes_of(tiles, place, T, 2 * HALO, N), biases, RELU, BIAS)
            routed = _routed(grads, chosen, place, WINDOW, STRIDE, CODES, T, HALO, N)
            slope = join(_slopes(units, routed, HALO, N, NORM, REACH, ALPHA, BETA, K, RELU), T, N)
            y, x = row * STRIDE + place // STRIDE, column * STRIDE + place % STRIDE
            known = (inside & (y < height) & (x < width))[:, None] & (channel < C)
            targets = pointers(d0, d1, (image * height + y) * width + x, channel, C, IN)
            tl.store(targets, slope.to(d0.dtype.element_ty), mask=known)
            if BIAS:
                total += slope
    if BIAS:
        own = parts + tl.program_id(0).to(tl.int64) * SLOTS * C
        tl.store(pointers(own, own, slot, channel, C, C), total, mask=(slot < SLOTS)[:, None] & (channel < C))
        # A channel's sums are far apart in the threads: through memory they come together.
        tl.debug_barrier()
        row, column = tl.arange(0, SLOTS_WIDE)[:, None], tl.arange(0, C_WIDE)
        known = (row < SLOTS) & (column < C)[None, :]
        gathered = tl.load(own + row * C + column[None, :], mask=known, other=0.0)
        tl.store(sums + tl.program_id(0) * C + column, tl.sum(gathered, axis=0), mask=column < C)
