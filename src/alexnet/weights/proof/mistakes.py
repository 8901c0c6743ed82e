"""The mistakes that people make with files of AlexNets, as networks that make them.

They serve twice: made on purpose, they show what a comparison would have seen; undone one after the other, they tell
which of them explains a difference.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from math import isqrt
from typing import NamedTuple

import numpy as np

from alexnet.lineages import weighted
from alexnet.lineages.spec import Conv, Layer, Linear, Norm, Pool
from alexnet.weights.proof.stages import TOLERANCE, Witness, our_stages
from alexnet.weights.weights import Weights

Variants = Callable[[Weights], Iterator[Weights]]


@dataclass(frozen=True)
class Mistake:
    """Something that is done wrong, or undone.

    Attributes:
        name: for JSON.
        what: in words.
        remedy: what to do about it.
        variants: the weights with the mistake made, or undone, in each way that there is; none where it cannot be made.
    """

    name: str
    what: str
    remedy: str
    variants: Variants


def _colours(weights: Weights) -> Iterator[Weights]:
    """The first kernels with their planes turned, which is the same as turned pictures."""
    key = f"{weighted(weights.lineage)[0]}.weight"
    if weights.tensors[key].ndim == 4 and weights.tensors[key].shape[1] == 3:
        yield replace(weights, tensors={**weights.tensors, key: weights.tensors[key].flip(1)})


def _range(weights: Weights) -> Iterator[Weights]:
    given = weights.preprocessing
    if given.range == 255:
        yield replace(weights, preprocessing=replace(given, range=1))
    else:
        yield replace(weights, preprocessing=replace(given, range=255))
        yield replace(weights, preprocessing=replace(given, range=255, std=(1.0, 1.0, 1.0)))


def _mean(weights: Weights) -> Iterator[Weights]:
    yield replace(weights, preprocessing=replace(weights.preprocessing, mean=(0.0, 0.0, 0.0), mean_image=None))


def _flatten(weights: Weights) -> Iterator[Weights]:
    """The inputs of the first full matrix taken for H, W, C where they are C, H, W, and the other way round."""
    channels = 0
    for row in weights.lineage.layers:
        if isinstance(row, Conv):
            channels = row.out_channels
        if isinstance(row, Linear):
            break
    key = f"{row.name}.weight"
    matrix = weights.tensors[key]
    side = isqrt(matrix.shape[1] // channels) if channels else 0
    if side < 2 or side * side * channels != matrix.shape[1]:
        return  # over a map of one pixel the orders are the same
    outputs = len(matrix)
    hwc = matrix.view(outputs, channels, side, side).permute(0, 2, 3, 1).reshape(outputs, -1)
    chw = matrix.view(outputs, side, side, channels).permute(0, 3, 1, 2).reshape(outputs, -1)
    for turned in (hwc, chw):
        yield replace(weights, tensors={**weights.tensors, key: turned})


def _order(weights: Weights) -> Iterator[Weights]:
    """Every norm that touches a pool on the other side of it."""
    rows: list[Layer] = list(weights.lineage.layers)
    place, swapped = 0, False
    while place + 1 < len(rows):
        pair = rows[place], rows[place + 1]
        if {type(pair[0]), type(pair[1])} == {Norm, Pool}:
            rows[place], rows[place + 1] = pair[1], pair[0]
            swapped, place = True, place + 1
        place += 1
    if swapped:
        yield _with_rows(weights, rows)


def _norms(change: Callable[[Norm], Norm | None]) -> Variants:
    def variants(weights: Weights) -> Iterator[Weights]:
        rows = [(change(row) or row) if isinstance(row, Norm) else row for row in weights.lineage.layers]
        if tuple(rows) != weights.lineage.layers:
            yield _with_rows(weights, rows)

    return variants


def _alpha(weights: Weights) -> Iterator[Weights]:
    yield from _norms(lambda row: replace(row, alpha=row.alpha * row.size))(weights)
    yield from _norms(lambda row: replace(row, alpha=row.alpha / row.size))(weights)


def _dropout(weights: Weights) -> Iterator[Weights]:
    """Matrices behind dropout halved, and doubled."""
    names = [row.name for row in weights.lineage.layers if isinstance(row, Linear)][1:]
    for factor in (0.5, 2.0):
        scaled = {f"{name}.weight": weights.tensors[f"{name}.weight"] * factor for name in names}
        if scaled:
            yield replace(weights, tensors=weights.tensors | scaled)


def _with_rows(weights: Weights, rows: list[Layer]) -> Weights:
    return replace(weights, lineage=replace(weights.lineage, layers=tuple(rows)))


MISTAKES = (
    Mistake(
        "colours", "RGB for BGR: the colours are fed in the other order than the first kernels were learnt in",
        "turn the planes of conv1.weight, or convert the original with `alexnet weights convert`, which does", _colours,
    ),
    Mistake(
        "range", "another range: 0..1 for 0..255 or the other way round",
        "scale conv1.weight by 255, or its inputs", _range,
    ),
    Mistake("mean", "the mean is not subtracted", "name the mean image that goes with the file: --mean FILE", _mean),
    Mistake(
        "pool_and_lrn", "LRN order: pooling and LRN change places (bvlc normalises first, caffenet pools first)",
        "name the lineage that the weights were trained in: --lineage bvlc or --lineage caffenet", _order,
    ),
    Mistake(
        "alpha", "undivided alpha: the alpha of LRN divided by its window in the one, not in the other",
        "name a lineage with the other alpha, or write alpha times the window into the file", _alpha,
    ),
    Mistake(
        "k", "the k of LRN: 2 as in the paper for 1 as in Caffe, or the other way round",
        "name the lineage that the weights were trained in: paper has k = 2, bvlc and caffenet k = 1",
        _norms(lambda row: replace(row, k={1.0: 2.0, 2.0: 1.0}[float(row.k)]) if row.k in (1, 2) else None),
    ),
    Mistake(
        "flatten", "fc6 flatten order: its inputs lie in the order H, W, C in the one, C, H, W in the other",
        "re-wire fc6 (docs/weights.md shows how), or convert the original with `alexnet weights convert`", _flatten,
    ),
    Mistake(
        "dropout", "old dropout: the weights behind it are halved in the one, not in the other",
        "multiply the weights of fc7 and fc8 by a half, or by two", _dropout,
    ),
)  # fmt: skip


# They meet in one layer, so that undoing one of several changes nothing that could be seen: the paper's LRN has another
# alpha and another k than Caffe's.
TOGETHER = ("pool_and_lrn", "alpha", "k")


class Effect(NamedTuple):
    """The relative errors that a mistake makes: the largest of all stages, and that of the last, the logits."""

    worst: float
    last: float


def controls(weights: Weights, witness: Witness, square: np.ndarray) -> dict[str, Effect]:
    """How far each mistake, made now, is from what another program computed; of several ways the least.

    What cannot be made on this network (another order of a map of one pixel) is left out.
    """
    effects = {}
    for mistake in MISTAKES:
        errors = [list(witness.errors(our_stages(each, square)).values()) for each in mistake.variants(weights)]
        if errors:
            effects[mistake.name] = min(Effect(max(each), each[-1]) for each in errors)
    return effects


def likely_causes(weights: Weights, witness: Witness, square: np.ndarray) -> tuple[list[Mistake], bool]:
    """The mistakes that, undone one after the other, bring us to what another program computed.

    Returns:
        The mistakes, and whether everything agrees once they are undone.
    """
    causes: list[Mistake] = []
    good = agreeing(weights, witness, square)
    while good < len(witness.stages):
        best = max(_attempts(weights, witness, square, causes), key=lambda attempt: attempt[:2], default=None)
        if best is None or best[0] <= good:
            return causes, False
        good, _, found, weights = best
        causes += found
    return causes, True


def _attempts(
    weights: Weights, witness: Witness, square: np.ndarray, causes: list[Mistake]
) -> Iterator[tuple[int, int, tuple[Mistake, ...], Weights]]:
    """Each mistake undone, and those of LRN together: how many stages agree then, minus how many were undone."""
    norms = [mistake for mistake in MISTAKES if mistake.name in TOGETHER]
    together = [pair for size in range(2, len(norms) + 1) for pair in combinations(norms, size)]
    for mistakes in (*((mistake,) for mistake in MISTAKES), *together):
        if not set(mistakes) & set(causes):
            for undone in _undone(weights, mistakes):
                yield agreeing(undone, witness, square), -len(mistakes), mistakes, undone


def _undone(weights: Weights, mistakes: tuple[Mistake, ...]) -> Iterator[Weights]:
    if not mistakes:
        yield weights
        return
    first, *rest = mistakes
    for each in first.variants(weights):
        yield from _undone(each, tuple(rest))


def agreeing(weights: Weights, witness: Witness, square: np.ndarray) -> int:
    """How many stages agree before the first that does not."""
    errors = list(witness.errors(our_stages(weights, square)).values())
    return next((place for place, error in enumerate(errors) if error > TOLERANCE), len(errors))
