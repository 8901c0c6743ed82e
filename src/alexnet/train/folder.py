"""The run folder: one process at a time, nothing overwritten, and a record of what made it.

run.toml           every setting of the run; `--config run.toml` repeats it
env.json           versions, device and command of the last start
splits.csv         which pictures are for training and which for validation
statistics.json    means and colours of the training pictures; the mean image in mean.npy
metrics.jsonl      (metrics.py), metrics.csv, events/
checkpoints/       (weights/checkpoint.py)
best/              weights of the best epoch
report.html        what it learnt
"""

import fcntl
import json
import os
import platform
import shlex
import socket
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from alexnet.errors import RunBusy, RunError, RunExists, UsageError
from alexnet.train.recipe import FREE_ON_RESUME, Command, Recipe
from alexnet.train.settings import check, flags
from alexnet.weights.durable import replace_file, writing

SETTINGS, ENVIRONMENT, SPLITS, STATISTICS, MEAN_IMAGE = (
    "run.toml",
    "env.json",
    "splits.csv",
    "statistics.json",
    "mean.npy",
)
LOCK = ".lock"
LEFTOVERS = (ENVIRONMENT, SPLITS, STATISTICS, MEAN_IMAGE)


@contextmanager
def open_run(folder: Path, resume: bool) -> Iterator[None]:
    """Own the run folder while the block runs; it is made if it is not there.

    Raises:
        RunBusy: another process trains in it.
        RunExists: it holds a run, and `resume` was not asked for.
        RunError: it holds something else, or cannot be written.
    """
    with writing(folder, RunError):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("a+", encoding="utf-8")
    with lock:
        _lock(lock.fileno(), folder)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        _require_free(folder, resume)
        if not (folder / SETTINGS).exists():
            for leftover in LEFTOVERS:  # of a start that failed before there was anything to keep
                (folder / leftover).unlink(missing_ok=True)
        yield


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = (folder / LOCK).read_text(encoding="utf-8") or "another process"
        raise RunBusy(f"{folder}: {owner} is training here. Wait for it, stop it, or give another -o.") from None


def _require_free(folder: Path, resume: bool) -> None:
    if resume:
        return
    if (folder / SETTINGS).exists():
        raise RunExists(f"{folder} holds a run already. Go on with it by --resume, or give another -o.")
    if any(path.name not in (LOCK, *LEFTOVERS) for path in folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no run. Give a new folder with -o.")


def merge_settings(folder: Path, data: Path, given: Mapping[str, object], command: Command) -> dict[str, Any]:
    """What the run was started with, and of what is given now only what may change on the way.

    Raises:
        UsageError: a setting, or the data, is another one than the run was started with.
        RunError: run.toml is damaged.
    """
    given = check(given, command)
    recorded = _read_settings(folder)
    if not recorded:
        return given
    if recorded.pop("data", str(data)) != str(data):
        raise UsageError(f"{folder} learns from other pictures than {data}: see `data` in its {SETTINGS}.")
    recorded = check(recorded, command)
    for name, value in given.items():
        if name not in FREE_ON_RESUME and recorded.get(name, value) != value:
            raise UsageError(
                f"{folder} was started with {name} = {to_toml(recorded[name])}, not {to_toml(value)}, and goes on so. "
                "Leave the setting out, or start a new run in another folder."
            )
    return {**recorded, **given}


def _read_settings(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / SETTINGS} cannot be read: {error}. Mend it, or start a new run.") from error


def write_settings(folder: Path, data: Path, recipe: Recipe, command: Command) -> None:
    """Write run.toml: the data and every setting of the command, by the names of its flags."""
    settings = {"data": str(data)} | {flag.name: getattr(recipe, flag.name) for flag in flags(command)}
    lines = [f"{name} = {to_toml(value)}\n" for name, value in settings.items()]
    _replace_text(folder / SETTINGS, f"# {command_line()}\n" + "".join(lines))


def to_toml(value: object) -> str:
    """A scalar, a text or a list of these in TOML: JSON's notation, but for a character that JSON lets stand."""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def write_environment(folder: Path, device: object) -> None:
    """Write env.json: what ran, where and on what, with no need of git."""
    packages = ("alexnet", "torch", "numpy", "pillow", "safetensors", "torchmetrics", "simplejpeg", "tensorboard")
    facts = {
        "command": command_line(),
        "folder": str(Path.cwd()),
        "python": platform.python_version(),
        "packages": {name: found for name in packages if (found := _version(name))},
        "device": str(device),
        "machine": f"{platform.platform()} {platform.machine()}",
        "host": socket.gethostname(),
        "cores": os.cpu_count(),
    }
    _replace_text(folder / ENVIRONMENT, json.dumps(facts, indent=2) + "\n")


def command_line() -> str:
    """What this process was started with."""
    return shlex.join([Path(sys.argv[0]).name or "python", *sys.argv[1:]])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _replace_text(path: Path, text: str) -> None:
    with writing(path, RunError):
        replace_file(path, lambda aside: aside.write_text(text, encoding="utf-8"))
