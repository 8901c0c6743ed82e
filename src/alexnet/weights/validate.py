"""Whether tensors are the weights of a network: every check that a file must pass, in one place."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from alexnet.errors import ShapeMismatch, UnreadableWeights
from alexnet.lineages import Lineage
from alexnet.model import build

NAMES_SHOWN = 4


def validate(tensors: Mapping[str, Tensor], lineage: Lineage, labels: Sequence[str], file: Path) -> None:
    """Check names, shapes, dtypes, values and labels against the lineage; pass in silence.

    Raises:
        ShapeMismatch: the tensors belong to another network than `lineage`.
        UnreadableWeights: they belong to it, and hold something that cannot be computed with or named.
    """
    expected = {name: tuple(weight.shape) for name, weight in build(lineage).state_dict().items()}
    _check_names(tensors, expected, lineage, file)
    _check_shapes(tensors, expected, lineage, file)
    for name, tensor in tensors.items():
        _check_values(name, tensor, file)
    if labels and len(labels) != lineage.num_classes:
        raise UnreadableWeights(
            f"{file}: it names {len(labels)} classes, but {lineage.head} has {lineage.num_classes} outputs. "
            "Each output needs a name: save the weights anew with the labels they were trained on."
        )


def _check_names(
    tensors: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], lineage: Lineage, file: Path
) -> None:
    missing, extra = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
    if missing or extra:
        found = [f"lacks {_some(missing)}"] * bool(missing) + [f"has {_some(extra)} beyond it"] * bool(extra)
        raise ShapeMismatch(
            f"{file}: lineage {lineage.name} needs {len(expected)} tensors, and the file {' and '.join(found)}. "
            "Load it as the lineage it was made for (`alexnet lineages` lists them), or get an undamaged copy."
        )


def _check_shapes(
    tensors: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], lineage: Lineage, file: Path
) -> None:
    for name, shape in expected.items():
        found = tuple(tensors[name].shape)
        if found == shape:
            continue
        if name.startswith(f"{lineage.head}.") and found[1:] == shape[1:]:
            needs = f"{lineage.num_classes} classes need {shape}"
            advice = "To keep these features and learn a new head, run `alexnet finetune`."
        else:
            needs = f"lineage {lineage.name} needs {shape}"
            advice = "Load it as the lineage it was made for: `alexnet lineages NAME` shows each one's shapes."
        raise ShapeMismatch(f"{file}: {name} has shape {found}, but {needs}. {advice}")


def _check_values(name: str, tensor: Tensor, file: Path) -> None:
    if not tensor.is_floating_point():
        raise UnreadableWeights(
            f"{file}: {name} holds {tensor.dtype}, but weights are floating point. Save them anew as float32."
        )
    # the extremes are NaN or infinite when any value is, and make no copy, unlike isfinite().all()
    if not all(extreme.isfinite() for extreme in torch.aminmax(tensor)):
        raise UnreadableWeights(
            f"{file}: {name} holds values that are not finite (NaN or infinity). The training that made it diverged: "
            "train again at a lower rate, or take an earlier checkpoint."
        )


def _some(names: Iterable[str]) -> str:
    """The first few of `names`, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMES_SHOWN} more" if len(ordered) > NAMES_SHOWN else ""
    return ", ".join(ordered[:NAMES_SHOWN]) + more
