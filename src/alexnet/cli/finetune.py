"""`alexnet finetune FOLDER -o RUN`: a classifier for a folder of pictures."""

from typing import Any

from alexnet.cli.options import Data, DryRun, Json, Output, Resume
from alexnet.cli.output import show
from alexnet.cli.recipe import given, recipe_flags
from alexnet.cli.results import run_document, run_parts
from alexnet.cli.screen import Screen
from alexnet.cli.settings import command


def finetune(
    data: Data,
    output: Output = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    json: Json = False,
    **settings: Any,
) -> None:
    """Make a classifier for your pictures from a trained network: the new head first, then deeper layers.

    A flag that shows no default is decided by the number of pictures. Ctrl-C stops the run, and --resume goes on.
    """
    from alexnet.cli.plan import plan_finetuning, plan_parts
    from alexnet.train.finetune import finetune as fit

    if dry_run:
        plan = plan_finetuning(data, given(settings))
        show(json, plan, plan_parts(plan))
        return
    with Screen() as screen:
        run = fit(data, output, resume=resume, reporter=screen, **given(settings))
    show(json, run_document(run), run_parts(run))


app = command(finetune, *recipe_flags("finetune"))
