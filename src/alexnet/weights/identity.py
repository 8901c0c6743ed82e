"""What a foreign file of weights is: its lineage and what it wants to be fed, each with where that is known from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alexnet.data.preprocess import Preprocessing
from alexnet.data.views import center_offset
from alexnet.errors import ShapeMismatch, UnreadableWeights, UsageError, WeightsError
from alexnet.lineages import LINEAGES, Lineage, find, vary
from alexnet.weights.raw import Fact, Raw
from alexnet.weights.registry import told_by_checksum
from alexnet.weights.structure import (
    carried,
    difference,
    expected_layers,
    fits,
    fitting,
    misfit,
    nearest,
    sized_or_same,
)

FILE, TABLE, CHECKSUM, ASKED, SHAPES, REGISTRY = (
    "the file", "the lineage's table", "the checksum", "as asked", "the shapes of the weights", "its registered name",
)  # fmt: skip
# Means of Caffe's ImageNet mean image, RGB; spec: B 104.00699, G 116.66877, R 122.67891.
IMAGENET_MEAN = (122.67891, 116.66877, 104.00699)


@dataclass(frozen=True)
class Identity:
    """A foreign file, identified.

    Attributes:
        facts: format, lineage, size, order, range, mean, std, resize, fit, mean_alignment, mean_image, flatten,
            classes, labels and what else is known; every value with its source.
    """

    lineage: Lineage
    preprocessing: Preprocessing
    labels: tuple[str, ...]
    facts: Mapping[str, Fact]

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The facts as JSON can hold them: {"order": {"value": "BGR", "source": "Caffe's convention"}, ...}."""
        return {name: {"value": as_json(fact.value), "source": fact.source} for name, fact in self.facts.items()}


def identify(raw: Raw, lineage: str | None = None, mean: Fact | None = None, known_as: str | None = None) -> Identity:
    """Decide what a file is.

    Args:
        lineage: what the user says that it is; needed where the file cannot tell, checked where it can.
        mean: what the user says is subtracted: a triple or an image (S, S, 3), RGB, 0-255.
        known_as: lineage of the published file that it is called by; taken where nothing else tells.

    Raises:
        UsageError: the file cannot tell which of several lineages it is, and nobody said.
        ShapeMismatch: it is none that we know, or not the one that was asked for; names the difference.
        UnreadableWeights: what it says of its input makes no sense.
    """
    chosen = _lineage(raw, lineage, known_as)
    table: Lineage = chosen.value
    facts = _defaults(table) | dict(raw.facts)
    if facts["range"].source != FILE and facts["range"].value != table.input.range:
        facts["range"] = Fact(table.input.range, TABLE)  # a convention cannot part it from the table's mean and spread
    if mean is not None:
        facts["mean"] = mean
        facts.pop("mean_image", None)
    facts = _with_mean(facts)
    labels = facts.pop("labels", Fact((), "nowhere"))
    preprocessing = _preprocessing(raw, facts)
    _check_size(raw, table, preprocessing.size)
    shown = {
        "format": Fact(f"{raw.format} ({raw.detail})" if raw.detail else raw.format, FILE),
        "lineage": Fact(table.name, chosen.source),
        "changes": Fact(dict(table.changes), chosen.source),
        "classes": Fact(table.num_classes, FILE),
        "labels": Fact(len(labels.value), labels.source),
    }
    return Identity(table, preprocessing, tuple(labels.value), {**facts, **shown})


def _lineage(raw: Raw, asked: str | None, known_as: str | None) -> Fact:
    """The lineage: as the file's own network says, else by shapes or checksum, else as asked for or known."""
    if not raw.layers:
        raise ShapeMismatch(f"{raw.path} holds no layers with weights. Expected a trained AlexNet.")
    wanted = None if asked is None else find(asked)
    if "lineage" in raw.facts:
        return _agreed(_stated(raw), FILE, raw, wanted)
    candidates = fitting(raw.layers)
    if raw.rows:
        found = carried(raw.layers, raw.rows, raw.activation)
        if not found:
            raise _unknown(raw, wanted, candidates)
        return _agreed(found[0], FILE, raw, wanted)
    if wanted is None and len(candidates) == 1:
        return Fact(candidates[0], SHAPES)
    if not candidates:
        raise _unknown(raw, wanted, [])
    usual = [lineage for lineage in candidates if lineage.name in raw.lineages]
    if wanted is None and len(usual) == 1:
        return Fact(usual[0], f"{SHAPES}, and what {raw.format} files hold")
    file = told_by_checksum(raw.path, raw.format)
    if file is not None and file.lineage:
        return _agreed(sized_or_same(find(file.lineage), raw.layers), f"{CHECKSUM} of {file.file}", raw, wanted)
    if wanted is None:
        named = [lineage for lineage in candidates if lineage.name == known_as]
        if named:
            return Fact(named[0], REGISTRY)
        raise _ambiguous(raw, usual or candidates)
    if wanted.name not in {lineage.name for lineage in candidates}:
        raise _unlike(raw, wanted, misfit(raw.layers, sized_or_same(wanted, raw.layers)))
    return Fact(sized_or_same(wanted, raw.layers), ASKED)


def _stated(raw: Raw) -> Lineage:
    """The lineage that a file of ours says it is, if its weights have those shapes."""
    try:
        lineage = vary(find(raw.facts["lineage"].value), **raw.facts["changes"].value)
        if fits(raw.layers, lineage):
            return lineage
    except (UsageError, TypeError, ValueError, KeyError) as error:
        raise UnreadableWeights(
            f"{raw.path}: its description of the network is damaged ({type(error).__name__}: {error}). "
            "Get an undamaged copy."
        ) from error
    raise ShapeMismatch(f"{raw.path} says that it is {lineage.name}, but {misfit(raw.layers, lineage)}.")


def _agreed(found: Lineage, source: str, raw: Raw, wanted: Lineage | None) -> Fact:
    if wanted is not None and wanted.name != found.name:
        rows = raw.rows or found.layers
        raise _unlike(raw, wanted, f"{source} says {found.name}: {difference(rows, sized_or_same(wanted, raw.layers))}")
    return Fact(found, source)


def _unlike(raw: Raw, wanted: Lineage, why: str) -> ShapeMismatch:
    return ShapeMismatch(
        f"{raw.path} is not of lineage {wanted.name}: {why or 'the tables differ'}. "
        "Leave --lineage out, or name the one that the file was made for."
    )


def _unknown(raw: Raw, wanted: Lineage | None, candidates: list[Lineage]) -> ShapeMismatch:
    """The error for a network that is no table of ours; compares with the nearest."""
    everything = [sized_or_same(lineage, raw.layers) for lineage in LINEAGES.values()]
    table = wanted or nearest(raw.rows, candidates or everything)
    assert table is not None
    why = misfit(raw.layers, sized_or_same(table, raw.layers)) or difference(raw.rows, table)
    return ShapeMismatch(
        f"{raw.path} holds no AlexNet that we know: {why}. `alexnet lineages` lists those that we know."
    )


def _ambiguous(raw: Raw, candidates: list[Lineage]) -> UsageError:
    names = [lineage.name for lineage in candidates]
    first, second = candidates[:2]
    return UsageError(
        f"{raw.path} does not say which network it is: {', '.join(names)} have weights of the same shapes. "
        f"They differ: {difference(first.layers, second, first.name)}. "
        f"Say which it is: {' or '.join(f'--lineage {name}' for name in names)}."
    )


def _defaults(lineage: Lineage) -> dict[str, Fact]:
    """What the lineage's own pictures were like."""
    given = lineage.input
    keys = ("size", "order", "range", "std", "resize", "fit", "mean_alignment")
    facts = {key: Fact(getattr(given, key), TABLE) for key in keys}
    if isinstance(given.mean, tuple):
        facts["mean"] = Fact(tuple(value * 255 / given.range for value in given.mean), TABLE)
    else:
        facts["mean"] = Fact(IMAGENET_MEAN, "ImageNet's channel means, for want of the file's own")
    return facts


def _with_mean(facts: dict[str, Fact]) -> dict[str, Fact]:
    """The facts with a mean image, where there is one, of the side that pictures are cut from, and its means."""
    given = facts["mean"] if isinstance(facts["mean"].value, np.ndarray) else facts.get("mean_image")
    if given is None or given.value is None:
        return facts
    image, source = given
    facts["mean"] = Fact(tuple(float(value) for value in image.mean(axis=(0, 1), dtype=np.float64)), source)
    side, size, resize = len(image), facts["size"].value, facts["resize"].value
    if side == size < resize:  # MatConvNet keeps the centre alone: only the centre of ours is looked at, too
        before = center_offset(resize, size)
        image = np.pad(image, ((before, resize - size - before),) * 2 + ((0, 0),), mode="edge")
        facts["mean_alignment"] = Fact("center", source)
    facts["mean_image"] = Fact(image, source)
    return facts


def _preprocessing(raw: Raw, facts: Mapping[str, Fact]) -> Preprocessing:
    keys = ("size", "order", "range", "mean", "std", "resize", "fit", "mean_alignment")
    values = {key: facts[key].value for key in (*keys, "detail") if key in facts}
    values["resize"] = max(values["resize"], values["size"]) if _are_sides(values) else values["resize"]
    image = facts["mean_image"].value if "mean_image" in facts else None
    try:
        return Preprocessing.from_dict(values, image)
    except WeightsError as error:
        raise UnreadableWeights(f"{raw.path}: {error} Get an undamaged copy.") from error


def _check_size(raw: Raw, lineage: Lineage, size: int) -> None:
    """Whether the weights fit pictures of the size that the file names, which may be another than the lineage's."""
    try:
        is_same = expected_layers(replace(lineage, input=replace(lineage.input, size=size))) == expected_layers(lineage)
    except UsageError:
        is_same = False
    if not is_same:
        raise ShapeMismatch(
            f"{raw.path} asks for pictures of {size}x{size}, of which {lineage.name} makes other maps than its weights "
            f"are for. Expected {lineage.input.size}x{lineage.input.size} or a size near to it."
        )


def _are_sides(values: Mapping[str, Any]) -> bool:
    return isinstance(values["resize"], int) and isinstance(values["size"], int)


def as_json(value: Any) -> Any:
    """The value of a fact as JSON can hold it; an image in words."""
    if isinstance(value, np.ndarray):
        return f"an image of {value.shape[0]}x{value.shape[1]}"
    return list(value) if isinstance(value, tuple) else value
