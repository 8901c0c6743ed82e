"""From what a caller gives to a whole recipe: the flags of each command, their checks, and `resolve`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin, get_type_hints

from alexnet.errors import UsageError
from alexnet.lineages import Lineage, vary
from alexnet.train.recipe import COUNT_DECIDES, MODERN, PAPER_DECIDES, TUNED, Command, Recipe, paper, tuned


@dataclass(frozen=True)
class Flag:
    """One setting as a command offers it: `--batch-size` for `batch_size`.

    `kind` is bool, int, float, str or tuple (several strings); `choices` is empty where any value goes; `default`
    is a text where the lineage or the number of pictures decides.
    """

    name: str
    kind: type
    choices: tuple[str | int, ...]
    help: str
    default: object
    least: float | None
    most: float


def flags(command: Command) -> tuple[Flag, ...]:
    """The flags of a command, in the order of `Recipe`'s fields. Defaults are those of the command's own preset."""
    hints = get_type_hints(Recipe)
    return tuple(
        Flag(f.name, *_kind(f.name, hints[f.name]), default=_default(f.name, command), **_limits(f.metadata))
        for f in fields(Recipe)
        if command in f.metadata["commands"]
    )


def _limits(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: metadata[key] for key in ("help", "least", "most")}


def _default(name: str, command: Command) -> object:
    if command == "train":
        return "as the recipe says" if name in PAPER_DECIDES else getattr(MODERN, name)
    return "as the number of pictures asks" if name in COUNT_DECIDES else getattr(TUNED, name)


def _kind(name: str, hint: Any) -> tuple[type, tuple[str | int, ...]]:
    if get_origin(hint) is Literal:
        choices = tuple(c for c in get_args(hint) if not (name == "recipe" and c == "finetune"))
        return type(choices[0]), choices
    return get_origin(hint) or hint, ()


def check(settings: Mapping[str, object], command: Command) -> dict[str, Any]:
    """The settings with each value of its field's type; strings (from the environment) are read.

    Raises:
        UsageError: an unknown name, with the nearest known one, or a value that does not fit.
    """
    known = {flag.name: flag for flag in flags(command)}
    for name in settings:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known settings: {', '.join(known)}."
            raise UsageError(f"`alexnet {command}` has no setting `{name}`. {hint}")
    return {name: _read(known[name], value) for name, value in settings.items()}


_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _read(flag: Flag, value: object) -> object:
    """`value` as the flag's kind."""
    read: object
    try:
        if flag.kind is bool:
            read = value if isinstance(value, bool) else _TRUTH[str(value).lower()]
        elif flag.kind is tuple:
            read = tuple(value.replace(",", " ").split()) if isinstance(value, str) else tuple(map(str, value))  # type: ignore[call-overload]
        elif isinstance(value, bool) or (flag.kind is int and isinstance(value, float) and value != int(value)):
            raise ValueError
        else:
            read = flag.kind(value)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise _unfit(flag, value) from None
    if flag.choices and read not in flag.choices:
        raise _unfit(flag, value)
    if isinstance(read, float | int) and not math.isfinite(read):
        raise _unfit(flag, value)
    if flag.least is not None and isinstance(read, float | int) and not flag.least <= read <= flag.most:
        raise _unfit(flag, value)
    return read


def _unfit(flag: Flag, value: object) -> UsageError:
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a list of names"}
    expected = " or ".join(map(str, flag.choices)) or kinds[flag.kind]
    if flag.least is not None:
        expected += f", at least {flag.least:g}" + (f" and at most {flag.most:g}" if math.isfinite(flag.most) else "")
    near = get_close_matches(str(value), map(str, flag.choices), n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return UsageError(f"{flag.name} = {value!r} does not fit: it must be {expected}.{hint}")


def resolve_training(settings: Mapping[str, object], lineage: Lineage) -> Recipe:
    """The recipe of `alexnet train` with every value set: what was given, over the preset it names.

    Args:
        settings: some of `Recipe`'s fields.
        lineage: the network to be trained; the paper's recipe is the lineage's own.

    Raises:
        UsageError: see `check`; or two settings contradict each other.
    """
    given = check(settings, "train")
    base = paper(lineage) if given.get("recipe") == "paper" else MODERN
    recipe = replace(base, lineage=lineage.name)
    recipe = replace(recipe, **given)
    if "patience" not in given:
        # The paper's 90 epochs saw drops 25 epochs apart: an 18th of all epochs without progress is a plateau.
        recipe = replace(recipe, patience=max(2, round(recipe.epochs / 18)))
    return _agreeing(recipe)


def resolve_tuning(settings: Mapping[str, object], count: int = 0) -> Recipe:
    """The recipe of `alexnet finetune` with every value set: what was given, over the preset for `count` pictures.

    Args:
        settings: some of `Recipe`'s fields.
        count: training pictures; 0 while their number is not known, which leaves epochs and batches provisional.

    Raises:
        UsageError: see `check`; or two settings contradict each other.
    """
    given = check(settings, "finetune")
    base = tuned(count, given.get("epochs"), given.get("batch_size"))
    recipe = replace(base, **given)
    return _agreeing(recipe)


def switched(lineage: Lineage, recipe: Recipe, num_classes: int) -> Lineage:
    """The table that `alexnet train` builds: the recipe's switches thrown, a head for the data's classes."""
    return vary(
        lineage, num_classes=num_classes, activation=recipe.activation, norm=recipe.norm, overlap=recipe.overlap,
        dropout=recipe.dropout, groups=recipe.groups, tower_norms=recipe.tower_norms, apart=recipe.apart,
        without=recipe.without, width=recipe.width, init_bias=recipe.init_bias if recipe.init_bias >= 0 else None,
    )  # fmt: skip


def _agreeing(recipe: Recipe) -> Recipe:
    if recipe.recipe == "finetune" and recipe.head_epochs > recipe.epochs:
        raise UsageError(
            f"head_epochs = {recipe.head_epochs} is more than epochs = {recipe.epochs}, which counts all stages. "
            "Give fewer head epochs, or more epochs."
        )
    return recipe
