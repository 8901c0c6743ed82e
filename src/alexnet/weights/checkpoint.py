"""Where a run can go on: `RUN/checkpoints/step-N/`, whole and proven so, or not there.

A checkpoint is `model.safetensors`, `optimizer.safetensors` and `state.json`; the last holds the caller's state and
what every file must be to be believed: size and sha256 of the other two, and the digest of the state itself.
"""

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from alexnet.errors import CheckpointDamaged, RunError
from alexnet.weights.durable import ASIDE, OLD, remove_folder, replace_folder, sha256, writing
from alexnet.weights.formats.safetensors import MEAN_IMAGE, plain, write_safetensors
from alexnet.weights.weights import Weights

MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"
Notice = Callable[[str], None]
log_notice: Notice = logging.getLogger("alexnet").warning

NAME = re.compile(rf"step-(\d+)({re.escape(OLD)})?")


@dataclass(frozen=True)
class Checkpoint:
    """What `write_checkpoint` was given, read back."""

    tensors: dict[str, Tensor]
    optimizer_tensors: dict[str, Tensor]
    state: dict[str, Any]


def step_folder(run: Path, step: int) -> Path:
    """Where the checkpoint of a step belongs."""
    return run / "checkpoints" / f"step-{step}"


def write_checkpoint(
    folder: Path,
    tensors: Weights | Mapping[str, Tensor],
    optimizer_tensors: Mapping[str, Tensor],
    state: dict[str, Any],
) -> Path:
    """Write a checkpoint to `folder` (see `step_folder`), and return it.

    Args:
        folder: named step-N; replaced if it exists.
        tensors: the network's. Given `Weights`, the checkpoint can also be loaded as such, to predict with.
        optimizer_tensors: momentum and whatever else the optimizer needs to go on.
        state: anything that JSON can hold.

    Raises:
        RunError: the folder cannot be written; checkpoints written before are unharmed.
    """

    def write(aside: Path) -> None:
        if isinstance(tensors, Weights):
            write_safetensors(aside / MODEL, tensors)
        else:
            save_file(plain(tensors), aside / MODEL)
        save_file(plain(optimizer_tensors), aside / OPTIMIZER)
        files = {name: _fingerprint(aside / name) for name in (MODEL, OPTIMIZER)}
        text = json.dumps({"files": files, "state_sha256": _digest(state), "state": state}, indent=2)
        (aside / STATE).write_text(text + "\n", encoding="utf-8")

    with writing(folder, RunError):
        _sweep(folder.parent)
        replace_folder(folder, write)
    return folder


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint whose every byte matches its checksums.

    Raises:
        CheckpointDamaged: names the file, and what is wrong with it.
    """
    state = _verify(folder)
    tensors = load_file(folder / MODEL)
    tensors.pop(MEAN_IMAGE, None)  # part of Weights, not of the network
    return Checkpoint(tensors, load_file(folder / OPTIMIZER), state)


def latest(run: Path, notice: Notice = log_notice) -> Path | None:
    """Return the newest checkpoint of a run that is whole, or None; `notice` is told which were passed over."""
    for folder in reversed(_checkpoints(run / "checkpoints")):
        try:
            _verify(folder)
        except CheckpointDamaged as error:
            notice(f"{error} It is passed over.")
        else:
            return folder
    return None


def prune(run: Path, keep: int) -> None:
    """Remove all checkpoints of a run but the newest `keep` (at least 1)."""
    assert keep >= 1, keep
    for folder in _checkpoints(run / "checkpoints")[:-keep]:
        remove_folder(folder)


def _checkpoints(folder: Path) -> list[Path]:
    """Checkpoints by age, oldest first; one that a newer one of the same step was about to replace comes before it."""
    found = [(match, path) for path in folder.glob("step-*") if (match := NAME.fullmatch(path.name))]
    return [path for match, path in sorted(found, key=lambda pair: (int(pair[0][1]), pair[0][2] is None))]


def _sweep(folder: Path) -> None:
    """Remove what writers that were killed have left."""
    for leftover in folder.glob(f"step-*{ASIDE}"):
        shutil.rmtree(leftover)
    for old in folder.glob(f"step-*{OLD}"):
        if old.with_suffix("").exists():
            remove_folder(old)


def _fingerprint(file: Path) -> dict[str, Any]:
    return {"bytes": file.stat().st_size, "sha256": sha256(file)}


def _digest(state: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def _verify(folder: Path) -> dict[str, Any]:
    """Return the caller's state if everything is what it was when written."""
    try:
        document = json.loads((folder / STATE).read_text(encoding="utf-8"))
        state: dict[str, Any] = document["state"]
        found = {name: _fingerprint(folder / name) for name in (MODEL, OPTIMIZER)} | {STATE: _digest(state)}
        expected = document["files"] | {STATE: document["state_sha256"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointDamaged(
            f"{folder} is damaged: {STATE}, or a file that it names, is missing or cannot be read "
            f"({type(error).__name__}: {error}). Go on from an earlier checkpoint."
        ) from error
    for name, fingerprint in found.items():
        if fingerprint != expected.get(name):
            raise CheckpointDamaged(
                f"{folder / name} is damaged: its bytes do not match the checksum in {STATE}. "
                "Go on from an earlier checkpoint, or from a copy of this one."
            )
    return state
