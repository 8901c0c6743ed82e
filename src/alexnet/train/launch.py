"""What `train` and `finetune` do alike: from the caller's words to a run folder that is ours and a job to do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from alexnet import __version__
from alexnet.errors import RunError
from alexnet.parallel.launch import gathered
from alexnet.parallel.place import here
from alexnet.parallel.team import Team
from alexnet.train.folder import SETTINGS, command_line, merge_settings, open_run, write_environment, write_settings
from alexnet.train.recipe import Command, Recipe
from alexnet.train.settings import check
from alexnet.train.signals import StopWish, stop_signals


@dataclass(frozen=True)
class Launch:
    """A run folder that this process owns, and what to do in it.

    Attributes:
        settings: those given now and, in a resumed run, those recorded.
        wish: whether a signal has asked the run to stop.
        resume_command: what goes on with the run.
        team: the processes that own it together.
    """

    command: Command
    data: Path
    folder: Path
    settings: dict[str, Any]
    wish: StopWish
    resume_command: str
    team: Team


@contextmanager
def launch(
    command: Command, data: str | Path, output: str | Path | None, resume: bool, settings: Mapping[str, object]
) -> Iterator[Launch]:
    """Own the run folder, with signals noted, while the block runs.

    Args:
        command: whose settings these are.
        data: the pictures, as the user named them.
        output: the run folder; None is `runs/NAME` by the name of the data, with a number if that is taken.
        resume: go on with the run in it, if there is one.
        settings: some of the command's settings.

    Raises:
        UsageError: a setting that does not exist or does not fit; said before anything is written.
        RunError: see `open_run`.
    """
    check(settings, command)
    source = Path(data).expanduser().resolve()
    # Signals last: torchrun sends one to the ranks that are left, while they find out who has failed.
    with stop_signals() as wish, gathered() as team:
        resume = resume or team.restarts > 0  # torchrun starts all ranks anew after a failure, by the same command
        folder = Path(output).expanduser() if output is not None else _unused(source, resume)
        with _owned(folder, resume, team):
            merged = merge_settings(folder, source, settings, command)
            starter = "" if team.is_alone else f"torchrun --nproc-per-node {here().local_size} -m "
            again = f"{starter}alexnet {command} {quote(str(data))} -o {quote(str(folder))} --resume"
            yield Launch(command, source, folder, merged, wish, again, team)


@contextmanager
def _owned(folder: Path, resume: bool, team: Team) -> Iterator[None]:
    """Rank 0 owns the run folder, for all ranks, while the block runs."""
    with open_run(folder, resume) if team.speaks else nullcontext():
        team.wait()
        if not folder.is_dir():
            raise RunError(f"rank {team.rank} does not see {folder}. Give an -o on a disk that all machines share.")
        yield


def _unused(source: Path, resume: bool) -> Path:
    name, number = source.name if source.is_dir() else source.stem, 1
    while not resume and _numbered(name, number).joinpath(SETTINGS).exists():
        number += 1
    return _numbered(name, number)


def _numbered(name: str, number: int) -> Path:
    return Path("runs", name if number == 1 else f"{name}-{number}")


def record(launched: Launch, recipe: Recipe, device: object) -> None:
    """Write down what the run is; from here on it can be resumed."""
    if not launched.team.speaks:
        return
    write_environment(launched.folder, device)
    write_settings(launched.folder, launched.data, recipe, launched.command)


def provenance(launched: Launch, recipe: Recipe, **more: object) -> dict[str, object]:
    """What the card of the weights says about where they come from."""
    return {
        "data": launched.data.name,
        "recipe": recipe.recipe,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "lr": recipe.lr,
        "seed": recipe.seed,
        "command": command_line(),
        "made_by": f"alexnet {__version__}",
        **more,
    }
