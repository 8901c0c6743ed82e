"""`alexnet train DATA -o RUN`: a network from scratch."""

from typing import Any

from alexnet.cli.options import Data, DryRun, Json, Output, Resume
from alexnet.cli.output import show
from alexnet.cli.recipe import given, recipe_flags
from alexnet.cli.results import run_document, run_parts
from alexnet.cli.screen import Screen
from alexnet.cli.settings import command


def train(
    data: Data,
    output: Output = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    json: Json = False,
    **settings: Any,
) -> None:
    """Train a network from scratch on labelled pictures.

    A flag that shows no default is decided by the recipe. Ctrl-C stops the run, and --resume goes on.
    """
    from alexnet.cli.plan import plan_parts, plan_training
    from alexnet.train.train import train as fit

    if dry_run:
        plan = plan_training(data, given(settings))
        show(json, plan, plan_parts(plan))
        return
    with Screen() as screen:
        run = fit(data, output, resume=resume, reporter=screen, **given(settings))
    show(json, run_document(run), run_parts(run))


app = command(train, *recipe_flags("train"))
