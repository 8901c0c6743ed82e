"""`alexnet weights ...`: a table of commands, a file each."""

import typer

from alexnet.cli.lazy import LazyGroup

# command -> (module that holds its `app`, line in `alexnet weights --help`)
WEIGHTS_COMMANDS = {
    "list": ("alexnet.cli.weights_list", "The networks and files that are known by name, and which are here."),
    "get": ("alexnet.cli.weights_get", "Fetch a published file, checked, into the cache."),
    "info": ("alexnet.cli.weights_info", "What a file is, and how each fact is known."),
    "convert": ("alexnet.cli.weights_convert", "Any kind of file to any other."),
    "verify": ("alexnet.cli.weights_verify", "Prove that a file computes here what it computes elsewhere."),
}


class WeightsCommands(LazyGroup):
    """What one does with files of weights."""

    table = WEIGHTS_COMMANDS


app = typer.Typer(cls=WeightsCommands, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


@app.callback()
def weights() -> None:
    """Files of weights: which are known, where they are, what one is."""
