"""The flags of `train` and `finetune`: the fields of `Recipe`, read from it and not written again."""

import inspect
from collections.abc import Mapping
from typing import Annotated, Any

from alexnet.cli.options import Workers, flag
from alexnet.train.recipe import Command
from alexnet.train.settings import Flag, flags


def recipe_flags(command: Command) -> list[inspect.Parameter]:
    """A parameter per setting of the command; None means "not given", so that the recipe decides."""
    return [parameter(setting) for setting in flags(command)]


def parameter(setting: Flag) -> inspect.Parameter:
    """One setting as a flag of the parser. Its value is checked by the recipe, whose messages are better."""
    if setting.name == "workers":
        return keyword("workers", Workers)
    kind: Any = list[str] if setting.kind is tuple else setting.kind
    details: dict[str, Any] = {"help": setting.help, "metavar": metavar(setting), "show_default": shown(setting)}
    if setting.choices:
        details["autocompletion"] = lambda: [str(choice) for choice in setting.choices]
    return keyword(setting.name, Annotated[kind | None, flag(**details)])


def keyword(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def metavar(setting: Flag) -> str | None:
    """What stands for the value in the help: its choices, N, X or NAME."""
    if setting.choices:
        return "|".join(map(str, setting.choices))
    return {int: "N", float: "X", bool: None, tuple: "NAME"}.get(setting.kind, "TEXT")


def shown(setting: Flag) -> str | bool:
    """The default as the help prints it; none where the recipe or the number of pictures decides."""
    if isinstance(setting.default, bool):
        return "on" if setting.default else "off"
    is_a_sentence = isinstance(setting.default, str) and " " in setting.default
    return False if is_a_sentence or setting.default in ("", ()) else str(setting.default)


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were given, by flag, variable or file; names in lists may be separated by commas."""
    chosen = {name: value for name, value in values.items() if value is not None}
    return {name: names(value) if isinstance(value, list) else value for name, value in chosen.items()}


def names(values: list[str]) -> tuple[str, ...]:
    return tuple(name for value in values for name in value.split(",") if name)
