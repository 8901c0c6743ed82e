"""`alexnet explain ...`: a table of commands, a file each."""

import typer

from alexnet.cli.lazy import LazyGroup

# command -> (module that holds its `app`, line in `alexnet explain --help`)
EXPLAIN_COMMANDS = {
    "filters": ("alexnet.cli.explain_filters", "The first layer's kernels, and how much of each tower is colour."),
    "maps": ("alexnet.cli.explain_maps", "What a layer makes of a picture."),
    "heatmap": ("alexnet.cli.explain_heatmap", "Where the evidence for a class lies (Grad-CAM)."),
    "occlusion": ("alexnet.cli.explain_occlusion", "What a class loses where a gray patch lies."),
    "guesses": ("alexnet.cli.explain_guesses", "Pictures, each with bars for its likeliest classes."),
}


class ExplainCommands(LazyGroup):
    """Pictures of what a network does."""

    table = EXPLAIN_COMMANDS


app = typer.Typer(cls=ExplainCommands, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


@app.callback()
def explain() -> None:
    """Pictures of what a network does, as PNG, SVG or PDF."""
