"""`alexnet weights ...`: a table of commands, a file each."""

import typer

from alexnet.cli.lazy import LazyGroup

# command -> (module that holds its `app`, line in `alexnet weights --help`)
WEIGHTS_COMMANDS = {
    "list": ("alexnet.cli.weights_list", "The published files that are known by name, and which are here."),
    "get": ("alexnet.cli.weights_get", "Fetch a published file, checked, into the cache."),
}


class WeightsCommands(LazyGroup):
    """What one does with files of weights."""

    table = WEIGHTS_COMMANDS


app = typer.Typer(cls=WeightsCommands, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


@app.callback()
def weights() -> None:
    """Files of weights: which are known, where they are, what one is."""
