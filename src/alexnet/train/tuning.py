"""Which layers a fine-tuning run keeps, starts anew and trains, as facts about a table of layers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from alexnet.errors import UsageError
from alexnet.lineages import Lineage, weighted
from alexnet.lineages.spec import Conv, Dropout, Local
from alexnet.train.recipe import Recipe
from alexnet.train.settings import resolve_tuning

NOTHING = "none"  # --freeze none


@dataclass(frozen=True)
class Tuning:
    """A fine-tuning run before it starts: its recipe, the layers that start anew and those that join in after them."""

    recipe: Recipe
    renewed: tuple[str, ...]
    deeper: tuple[str, ...]


def plan_tuning(settings: Mapping[str, object], lineage: Lineage, is_new_head: bool, count: int) -> Tuning:
    """What the settings ask for.

    Args:
        settings: some of the command's settings.
        lineage: of the weights to start from.
        is_new_head: the pictures' classes are not those of the weights.
        count: training pictures.

    Raises:
        UsageError: a setting does not fit, or names no layer.
    """
    recipe = resolve_tuning({"freeze": last_convolution(lineage), **settings}, count)
    renewed = renewed_layers(lineage, recipe.skip, is_new_head)
    return Tuning(recipe, renewed, deeper_layers(lineage, recipe.freeze, renewed))


def renewed_layers(lineage: Lineage, skip: Sequence[str], is_new_head: bool) -> tuple[str, ...]:
    """The layers that start anew, in order: those of `skip`, and the head if the classes are others.

    Raises:
        UsageError: `skip` names no layer with weights.
    """
    names = weighted(lineage)
    for name in skip:
        _require_known("--skip", name, names)
    return tuple(name for name in names if name in skip or (is_new_head and name == lineage.head))


def deeper_layers(lineage: Lineage, freeze: str, renewed: Collection[str]) -> tuple[str, ...]:
    """The layers behind `freeze` that come trained, in order: those that join in after the new ones.

    Raises:
        UsageError: `freeze` names no layer, or a layer that starts anew would stay as it is.
    """
    rows = [layer.name for layer in lineage.layers]
    if freeze != NOTHING:
        _require_known("--freeze", freeze, [NOTHING, *rows[:-1]])
    kept = rows[: rows.index(freeze) + 1] if freeze != NOTHING else []
    stuck = [name for name in renewed if name in kept]
    if stuck:
        raise UsageError(
            f"{', '.join(stuck)} starts anew and must be trained, but --freeze {freeze} keeps all up to {freeze} as it "
            f"is. Freeze up to a layer before {stuck[0]}, or none."
        )
    return tuple(name for name in weighted(lineage) if name not in kept and name not in renewed)


def last_convolution(lineage: Lineage) -> str:
    """The layer that fine-tuning freezes up to unless told otherwise: conv5, where there is one."""
    return [layer.name for layer in lineage.layers if isinstance(layer, Conv | Local)][-1]


def last_fixed(lineage: Lineage, trained: Collection[str]) -> str | None:
    """The last layer whose output stays the same while `trained` are trained; None if the first of all is trained.

    Dropout right before a trained layer is behind it: its masks are new at each step.
    """
    rows = lineage.layers
    first = next(position for position, layer in enumerate(rows) if layer.name in trained)
    while first > 0 and isinstance(rows[first - 1], Dropout):
        first -= 1
    return rows[first - 1].name if first > 0 else None


def stage_epochs(recipe: Recipe, renewed: Collection[str], deeper: Collection[str]) -> tuple[int, int]:
    """Epochs of the new layers alone, and of all that is trained; a stage without layers leaves the other all."""
    if not deeper:
        return recipe.epochs, 0
    if not renewed:
        return 0, recipe.epochs
    return recipe.head_epochs, recipe.epochs - recipe.head_epochs


def _require_known(flag: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"{flag} {name}: no such layer here.{hint} Expected one of {', '.join(names)}.")
