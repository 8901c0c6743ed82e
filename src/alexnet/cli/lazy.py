"""Commands that are imported when they are called, so that `--help` of a group answers at once."""

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

Table = Mapping[str, tuple[str, str]]  # command -> (module that holds its `app`, line in the help of its group)


class LazyCommand(TyperCommand):
    """A name and a line of help; the command itself is imported when its arguments are parsed."""

    def __init__(self, name: str, module: str, help: str) -> None:
        super().__init__(name, help=help)
        self.module = module

    def load(self) -> TyperCommand | TyperGroup:
        """The command behind the name."""
        command = typer.main.get_command(importlib.import_module(self.module).app)
        assert isinstance(command, TyperCommand | TyperGroup)
        return command

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return self.load().make_context(info_name, args, parent, **extra)


class LazyGroup(TyperGroup):
    """A group whose commands are the rows of a table."""

    table: ClassVar[Table] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (module, help) in self.table.items():
            self.add_command(LazyCommand(name, module, help))
