# mypy: disable-error-code="assignment, import-not-found, import-untyped, misc, no-any-return, no-untyped-def, untyped-decorator"
# ruff: noqa: N803, RUF005, E501
"""The GPU code of `matvec`."""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["outputs"])
def matvec(
    x, weight, bias, y, outputs, width, B: tl.constexpr, RELU: tl.constexpr, R: tl.constexpr, BLOCK: tl.constexpr
):
    """R outputs a program, for each of B rows of x."""
    row = tl.program_id(0) * R + tl.arange(0, R)
    known = row < outputs
    start = weight + row.to(tl.int64)[:, None] * width
    sums = ()
    for _ in tl.static_range(B):
        sums = sums + (tl.zeros((R, BLOCK), tl.float32),)
    for first in range(0, width, BLOCK):
        column = first + tl.arange(0, BLOCK)
        inside = column < width
        part = tl.load(start + column[None, :], mask=known[:, None] & inside[None, :], other=0.0).to(tl.float32)
        grown = ()
        for b in tl.static_range(B):
            features = tl.load(x + b * width + column, mask=inside, other=0.0).to(tl.float32)
            grown = grown + (sums[b] + part * features[None, :],)
        sums = grown
    shift = tl.load(bias + row, mask=known, other=0.0).to(tl.float32)
    for b in tl.static_range(B):
        value = tl.sum(sums[b], axis=1) + shift
        if RELU:
            value = tl.maximum(value, 0.0, propagate_nan=tl.PropagateNan.ALL)
        tl.store(y + b * outputs + row, value.to(y.dtype.element_ty), mask=known)
