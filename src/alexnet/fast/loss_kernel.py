# mypy: disable-error-code="assignment, import-not-found, import-untyped, misc, no-any-return, no-untyped-def, untyped-decorator"
# ruff: noqa: N803, E501
"""The GPU code of `loss`."""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["classes", "smoothing", "scale"])
def cross_entropy(
    logits, labels, losses, slopes, classes, smoothing, scale, SHARES: tl.constexpr, SIZE: tl.constexpr
):  # fmt: skip
    """A row a program. SHARES: labels are a row of shares, else one class or, below zero, none."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, SIZE)
    inside = column < classes
    at = row * classes + column
    logit = tl.load(logits + at, mask=inside, other=float("-inf")).to(tl.float32)
    if SHARES:
        share = tl.load(labels + at, mask=inside, other=0.0).to(tl.float32)
        is_labelled = tl.sum(share, axis=0) != 0.0
    else:
        label = tl.load(labels + row)
        share = tl.where(column == label, 1.0, 0.0)
        is_labelled = label >= 0
    wanted = share * (1.0 - smoothing) + smoothing / classes
    wanted = tl.where(inside, wanted, 0.0)
    total = tl.sum(wanted, axis=0)
    # As far below the largest: sums and their logarithm stay small.
    depth = logit - tl.max(logit, axis=0)
    power = tl.exp(depth)
    powers = tl.sum(power, axis=0)
    missed = tl.where(wanted != 0.0, wanted * depth, 0.0)
    loss = total * tl.log(powers) - tl.sum(missed, axis=0)
    slope = (power * (total / powers) - wanted) * scale
    if not SHARES:
        loss = tl.where(label < classes, loss, float("nan"))
    tl.store(losses + row, tl.where(is_labelled, loss, 0.0))
    tl.store(slopes + at, tl.where(is_labelled, slope, 0.0).to(slopes.dtype.element_ty), mask=inside)
