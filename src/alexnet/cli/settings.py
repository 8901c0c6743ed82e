"""Where the value of a flag comes from.

    default  <  `--config run.toml`  <  environment `ALEXNET_<FLAG>`  <  the flag itself

The order is the parser's own: the file becomes its map of defaults, and ALEXNET its prefix. Names are those of the
flags, with - or _: `batch-size = 64` in the file, `ALEXNET_BATCH_SIZE=64` in the environment, for every command that
has the flag. One file and one environment may serve several commands: a name that belongs to another command is
passed over, a name that belongs to none is an error.
"""

import difflib
import inspect
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.models import OptionInfo

from alexnet.cli.options import flag
from alexnet.errors import UsageError

PREFIX = "ALEXNET"
NOT_FLAGS = ("ALEXNET_HOME",)  # variables that are read elsewhere
EPILOG = "Every flag can also be set as ALEXNET_<FLAG>, or in a file for --config; the flag wins, then the variable."


def command(function: Callable[..., None], *flags: inspect.Parameter) -> typer.Typer:
    """An app of one command: `function` with `flags` in place of its **keywords, and `--config`."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    settings = {"auto_envvar_prefix": PREFIX, "help_option_names": ["-h", "--help"]}
    app.command(context_settings=settings, epilog=EPILOG)(with_flags(function, *flags))
    return app


def with_flags(function: Callable[..., None], *flags: inspect.Parameter) -> Callable[..., None]:
    """`function` with a signature that shows `flags` and `--config` to the parser."""
    own = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]

    def run(config: Path | None, **values: Any) -> None:
        function(**values)

    run.__doc__ = function.__doc__
    run.__name__ = function.__name__
    shown = [named(p).replace(kind=p.KEYWORD_ONLY) for p in (*own, *flags, CONFIG)]
    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    return run


def named(parameter: inspect.Parameter) -> inspect.Parameter:
    """The parameter with its flag's name written out: without one typer 0.27 calls `--device DEVICE` --DEVICE."""
    kind, *details = get_args(parameter.annotation) if get_origin(parameter.annotation) is Annotated else (None,)
    options = [each for each in details if isinstance(each, OptionInfo)]
    if not options or options[0].param_decls or bool in (kind, *get_args(kind)):
        return parameter
    option = copy(options[0])
    option.param_decls = (f"--{parameter.name.replace('_', '-')}",)
    return parameter.replace(annotation=Annotated[kind, option])


def read_settings(ctx: typer.Context, config: Path | None) -> Path | None:
    """Make the file of `--config` the defaults of this command; refuse names that no command knows.

    Raises:
        UsageError: the file is missing or is not TOML; a name in it, or an ALEXNET_ variable, is unknown.
    """
    if ctx.resilient_parsing:  # a shell asks for completions
        return config
    refuse_unknown(variables_set(), "the environment", ctx, variable_names)
    if config is not None:
        values = dict(flatten(read_toml(config)))
        refuse_unknown(values, str(config), ctx, parameter_names)
        ctx.default_map = {**values, **(ctx.default_map or {})}
    return config


CONFIG = inspect.Parameter(
    "config",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Path | None,
        flag(callback=read_settings, is_eager=True, metavar="FILE.toml", help="Defaults for this command's flags."),
    ],
)


def read_toml(path: Path) -> dict[str, Any]:
    """The contents of a TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}). --config takes a TOML file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML: {error}. Write one `flag = value` a line.") from None


def flatten(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(flag, value) pairs; tables only group them."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value)
        else:
            yield name.replace("-", "_"), value


def refuse_unknown(names: Iterable[str], where: str, ctx: typer.Context, known: Callable[[Any], set[str]]) -> None:
    """Raise for the first of `names` that is no setting of any command; this command is asked first."""
    unknown = set(names) - known(ctx.command)
    if not unknown:
        return
    every = set[str]().union(*map(known, all_commands(ctx.find_root().command)))
    for name in sorted(unknown - every):
        close = difflib.get_close_matches(name, every, n=1)
        hint = f"Did you mean {close[0]}?" if close else "See `alexnet COMMAND --help` for the names there are."
        raise UsageError(f"{where}: unknown setting {name}. {hint}")


def all_commands(group: Any) -> Iterator[Any]:
    """Every command below a group, imported for this."""
    for command in getattr(group, "commands", {}).values():
        loaded = command.load() if hasattr(command, "load") else command
        yield from all_commands(loaded)
        yield loaded


def parameter_names(command: Any) -> set[str]:
    """What a file can set: flags and arguments."""
    return {parameter.name for parameter in command.params}


def variable_names(command: Any) -> set[str]:
    """What the environment can set: flags."""
    flags = (parameter for parameter in command.params if parameter.param_type_name == "option")
    return {f"{PREFIX}_{flag.name.upper()}" for flag in flags}


def variables_set() -> list[str]:
    """The names in the environment that are meant for us."""
    return [name for name in os.environ if name.startswith(f"{PREFIX}_") and name not in NOT_FLAGS]
