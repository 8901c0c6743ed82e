"""The `alexnet` command: a table of commands, each imported when it is called."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from alexnet.cli.imports import settle_threads
from alexnet.cli.lazy import LazyGroup
from alexnet.cli.output import speaks
from alexnet.errors import AlexNetError

# command -> (module that holds its `app`, line in `alexnet --help`)
COMMANDS = {
    "demo": ("alexnet.cli.demo", "A tour in two minutes, offline, on the packaged photos."),
    "doctor": ("alexnet.cli.doctor", "Versions, devices, disk, caches, missing extras."),
    "lineages": ("alexnet.cli.lineages", "The AlexNets there are; with NAME its layer table."),
    "predict": ("alexnet.cli.predict", "Say what is on pictures."),
    "explain": ("alexnet.cli.explain", "Pictures of what a network does: filters, maps, heat maps, guesses."),
    "features": ("alexnet.cli.features", "What any layer makes of pictures, as rows of numbers in a file."),
    "index": ("alexnet.cli.index", "Keep the features of many pictures, to search in."),
    "search": ("alexnet.cli.search", "The pictures of an index that look alike to a network."),
    "export": ("alexnet.cli.export", "A network as ONNX, as a hub folder or as a small program."),
    "serve": ("alexnet.cli.serve", "A network behind HTTP, on this machine alone by default."),
    "evaluate": ("alexnet.cli.evaluate", "Top-1 and top-5 error on labelled pictures."),
    "finetune": ("alexnet.cli.finetune", "A classifier for a folder of pictures, from trained weights."),
    "train": ("alexnet.cli.train", "Train a network from scratch."),
    "prepare": ("alexnet.cli.prepare", "Turn pictures into shards that training reads fast."),
    "bench": ("alexnet.cli.bench", "Images per second here, beside plain PyTorch."),
    "reproduce": ("alexnet.cli.reproduce", "The paper's claims, each run, with a plot and a verdict."),
    "data": ("alexnet.cli.data", "Look into a data set before training on it."),
    "weights": ("alexnet.cli.weights", "Known files of weights: list and fetch them; what a file is."),
}


PATIENCE = 3.0  # seconds


class Commands(LazyGroup):
    """The group of all commands, and the one place where errors become messages and exit codes."""

    table = COMMANDS

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AlexNetError as error:
            if str(error):
                typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("Interrupted.", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    name="alexnet",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: importing rich would double the time of `--help`
    pretty_exceptions_enable=False,  # a bug keeps its own traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version  # slow to import

        try:
            typer.echo(f"alexnet {version('alexnet')}")
        except PackageNotFoundError:  # run from a source tree with PYTHONPATH=src
            typer.echo("alexnet (not installed)")
        raise typer.Exit


@app.callback(epilog="Every flag can also be set in a file (--config run.toml) or as ALEXNET_<FLAG>.")
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    """The reference AlexNet: train, fine-tune, predict and evaluate, in every lineage."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    if not speaks():  # of several processes the first speaks, even of a mistyped flag
        sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    settle_threads()
    try:
        app()
    except SystemExit as end:
        if end.code and not speaks():
            time.sleep(PATIENCE)  # torchrun ends all when one has ended: the first is to have spoken before
        raise
